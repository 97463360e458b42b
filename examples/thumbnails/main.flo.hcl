# Pictures become thumbnails on RabbitMQ, worked on by participants written for
# msgflo-nodejs. By hand, in this directory:
#
#   npm install
#   make -C ../.. broker              # in a terminal of its own; any other RabbitMQ does as well
#   msgflo apply
#   msgflo send fetch.in '{"id": 1, "picture": "picture.png"}'
#   ls thumbnails                     # 1.png; what went wrong is in `msgflo logs errors failed`
#   msgflo destroy

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

variable "width" {
  description = "of the thumbnails, in pixels"
  type        = number
  default     = 32
}

variable "store" {
  description = "the folder that takes them"
  type        = string
  default     = "thumbnails"
}

variable "resizers" {
  description = "how many processes scale pictures"
  type        = number
  default     = 3
}

broker "main" {
  url        = var.url
  management = var.management
}

locals {
  # The client library's own program starts each participant.
  run = "node_modules/.bin/msgflo-nodejs"
}

component "Fetch" {
  command = [local.run, "--name", self.role, "participants/fetch.js"]

  inport "in" {}
  outport "out" {}
  outport "error" {}
}

component "Resize" {
  command = [local.run, "--name", self.role, "participants/resize.js"]
  env     = { WIDTH = tostring(var.width) }

  inport "in" {}
  outport "out" {}
  outport "error" {}
}

component "Store" {
  command = [local.run, "--name", self.role, "participants/store.js"]
  env     = { STORE = var.store }

  inport "in" {}
  outport "done" {}
}

participant "fetch" {
  component = component.Fetch
}

participant "resize" {
  component = component.Resize
  replicas  = var.resizers
}

participant "store" {
  component = component.Store
}

# Why a job failed, and the jobs that were refused, as they came: both are
# printed, see `msgflo logs errors failed`.
participant "errors" {
  component = "msgflo/Output"
}

participant "failed" {
  component = "msgflo/Output"
}

graph "thumbnails" {
  edge "fetch.out" "resize.in" {
    dead_letter = "failed.in"
  }
  edge "resize.out" "store.in" {}

  edge "fetch.error" "errors.in" {}
  edge "resize.error" "errors.in" {}
}
