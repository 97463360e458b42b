# A queue for one region's work, with a dead letter and its bindings.

variable "region" {
  type = string
}

variable "priority" {
  description = "the highest priority a message may have"
  type        = number
  default     = 1
}

variable "vhost" {
  type = string
}

variable "orders" {
  description = "name of the exchange that orders come from"
  type        = string
}

variable "failed" {
  description = "name of the exchange that failed work goes to"
  type        = string
}

queue "work" {
  vhost        = var.vhost
  name         = "work.${var.region}"
  max_priority = var.priority

  dead_letter {
    exchange    = var.failed
    routing_key = "failed"
  }
}

binding "work" {
  for_each = toset(["order.new", "order.replayed"])

  vhost       = var.vhost
  source      = var.orders
  destination = queue.work
  routing_key = each.key == "order.new" ? "order.new.${var.region}" : each.key
}

output "queue" {
  value = queue.work.name
}
