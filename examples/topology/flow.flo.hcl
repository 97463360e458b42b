# What a message passes: orders -> work.<region> -> (failed) -> failed.

exchange "unrouted" {
  vhost = vhost.pictures
  type  = "fanout"
}

exchange "orders" {
  vhost     = vhost.pictures
  type      = "topic"
  alternate = exchange.unrouted
}

exchange "audit" {
  vhost    = vhost.pictures
  type     = "headers"
  internal = true
}

exchange "failed" {
  vhost = vhost.pictures
  type  = "direct"
}

queue "unrouted" {
  vhost       = vhost.pictures
  max_length  = 10000
  message_ttl = "24h"
}

queue "failed" {
  vhost = vhost.pictures
  type  = "quorum"
}

queue "history" {
  vhost            = vhost.pictures
  type             = "stream"
  max_length_bytes = 1000000000
}

binding "unrouted" {
  vhost       = vhost.pictures
  source      = exchange.unrouted
  destination = queue.unrouted
}

binding "failed" {
  vhost       = vhost.pictures
  source      = exchange.failed
  destination = queue.failed
  routing_key = "failed"
}

# An exchange can feed an exchange …
binding "audit" {
  vhost       = vhost.pictures
  source      = exchange.orders
  destination = exchange.audit
  routing_key = "order.#"
}

# … and a headers exchange compares typed arguments.
binding "history" {
  vhost       = vhost.pictures
  source      = exchange.audit
  destination = queue.history
  arguments   = { "x-match" = "any", "priority" = 9, "audit" = true }
}

# One worker queue a region, each with its bindings: see modules/worker.
module "worker" {
  source   = "./modules/worker"
  for_each = local.regions

  region   = each.key
  priority = each.value.priority
  vhost    = vhost.pictures.name
  orders   = exchange.orders.name
  failed   = exchange.failed.name
}

# The module's call was named `region` once; its objects moved along.
moved {
  from = module.region
  to   = module.worker
}

import {
  for_each = var.taken_over
  to       = exchange.taken_over[each.key]
  id       = each.key
}

exchange "taken_over" {
  for_each = var.taken_over
  vhost    = vhost.pictures
  name     = each.key
}
