# A picture service on RabbitMQ: orders come in, are worked off by two kinds of
# worker, and what fails is kept. Every topology block stands here once; the
# flow itself is in flow.flo.hcl, what operators set in operations.flo.hcl.

msgflo {
  required_version = ">= 0.1"
}

variable "url" {
  description = "the broker; the default is what `make broker` starts"
  type        = string
  default     = "amqp://guest:guest@localhost:5672"
  sensitive   = true
}

variable "management" {
  description = "its management API, where that is not on the usual port"
  type        = string
  default     = null
}

variable "vhost" {
  description = "where everything of this example lives"
  type        = string
  default     = "pictures"

  validation {
    condition     = length(var.vhost) > 0
    error_message = "The virtual host needs a name."
  }
}

variable "worker_password" {
  description = "the password of the workers' user; set it with MSGFLO_VAR_worker_password"
  type        = string
  default     = "only-for-the-example"
  sensitive   = true
}

variable "taken_over" {
  description = "exchanges that exist already and become ours, by name"
  type        = set(string)
  default     = []
}

locals {
  regions = {
    eu = { priority = 4 }
    us = { priority = 2 }
  }
}

broker "main" {
  url        = var.url
  management = var.management
}

vhost "pictures" {
  name        = var.vhost
  description = "orders, pictures and what became of them"
  tags        = ["example"]
}

user "worker" {
  name     = "${var.vhost}-worker"
  password = var.worker_password
  tags     = ["monitoring"]
}

permission "worker" {
  vhost     = vhost.pictures
  user      = user.worker
  configure = ""
  write     = "^(orders|failed)$"
  read      = "^work\\."
}

topic_permission "worker" {
  vhost    = vhost.pictures
  user     = user.worker
  exchange = exchange.orders
  write    = "^order\\."
  read     = ".*"
}

output "queues" {
  description = "the queue of each region"
  value       = { for region, m in module.worker : region => m.queue }
}
