# What operators set beside the flow.

policy "bounded" {
  vhost      = vhost.pictures
  pattern    = "^work\\."
  apply_to   = "queues"
  priority   = 1
  definition = { "max-length" = 100000, "overflow" = "reject-publish" }
}

operator_policy "short" {
  vhost      = vhost.pictures
  pattern    = "^tmp\\."
  apply_to   = "queues"
  priority   = 1
  definition = { "expires" = 3600000 }
}

vhost_limit "pictures" {
  vhost           = vhost.pictures
  max_connections = 200
  max_queues      = 500
}

user_limit "worker" {
  user            = user.worker
  max_connections = 20
  max_channels    = 100
}

global_parameter "pictures" {
  name  = "${var.vhost}-owner"
  value = { team = "pictures", pager = 7 }
}

# Any runtime parameter that has no block of its own.
parameter "archive" {
  vhost     = vhost.pictures
  component = "federation-upstream-set"
  value     = [{ upstream = federation_upstream.archive.name }]
}

federation_upstream "archive" {
  vhost    = vhost.pictures
  url      = "amqp://guest:guest@localhost"
  exchange = "archive"
  max_hops = 1
  prefetch = 100
  ack_mode = "on-confirm"
}

shovel "replay" {
  vhost = vhost.pictures

  source {
    url   = "amqp:///${urlencode(var.vhost)}"
    queue = queue.failed
  }
  destination {
    url         = "amqp:///${urlencode(var.vhost)}"
    exchange    = exchange.orders
    routing_key = "order.replayed"
  }

  ack_mode     = "on-confirm"
  prefetch     = 10
  delete_after = "never"
}

# Read what is there, own nothing.
data "exchange" "default_topic" {
  name = "amq.topic"
}

check "topic_exchange" {
  assert {
    condition     = data.exchange.default_topic.type == "topic"
    error_message = "amq.topic is no topic exchange; something is odd with this broker."
  }
}

# What earlier versions of this example had and nobody needs to keep track of.
removed {
  from = queue.legacy

  lifecycle {
    destroy = false
  }
}
