# A thermometer at home, on MQTT, whose readings end in a queue at the office,
# on RabbitMQ. By hand, in this directory:
#
#   npm install
#   mosquitto -p 1883                 # in a terminal of its own; after it ended, apply again
#   make -C ../.. broker              # likewise, a RabbitMQ; any other does as well
#   msgflo apply
#   node device.js                    # likewise: plays the thermometer
#   msgflo logs -f archive            # what arrives at the office
#   MSGFLO_VAR_interval=1 msgflo apply   # and the thermometer measures more often
#   msgflo destroy

variable "mqtt" {
  description = "the broker at home; the default is where Mosquitto listens"
  type        = string
  default     = "mqtt://localhost:1883"
  sensitive   = true
}

variable "url" {
  description = "the broker at the office; the default is what `make broker` starts"
  type        = string
  default     = "amqp://guest:guest@localhost:5672"
  sensitive   = true
}

variable "management" {
  description = "its management API, where that is not on the usual port"
  type        = string
  default     = null
}

variable "interval" {
  description = "how often the thermometer measures, in seconds"
  type        = number
  default     = 5

  validation {
    condition     = var.interval > 0
    error_message = "The interval is a time in seconds, more than 0."
  }
}

broker "home" {
  url = var.mqtt
}

broker "office" {
  url        = var.url
  management = var.management
}

# Written with msgflo-arduino, it runs where it hangs: nothing here starts it.
# By that library's convention its topics are thermometer/interval and
# thermometer/celsius.
participant "thermometer" {
  broker  = broker.home
  client  = "arduino"
  foreign = true

  inport "interval" {
    type = "number"
  }
  outport "celsius" {
    type = "number"
  }
}

# A device that was without power or network gets its setting when it is back.
retained "interval" {
  broker  = broker.home
  topic   = participant.thermometer.in.interval.queue
  payload = tostring(var.interval)
}

# A display on the wall that knows nothing of MsgFlo, only its own topic.
route "display" {
  broker = broker.home
  from   = participant.thermometer.out.celsius.queue
  to     = "display/livingroom/celsius"
}

# A participant at home that sends on to the office: what it is sent is in the
# archive's queue once it says so on its outport.
component "Bridge" {
  command = ["node_modules/.bin/msgflo-nodejs", "--name", self.role, "participants/bridge.js"]
  env = {
    OFFICE_BROKER = var.url
    OFFICE_QUEUE  = participant.archive.in.in.queue
  }

  inport "in" {}
  outport "out" {}
  outport "error" {}
}

participant "bridge" {
  broker    = broker.home
  component = component.Bridge
}

participant "archive" {
  broker    = broker.office
  component = "msgflo/Output"
}

graph "home" {
  broker = broker.home

  edge "thermometer.celsius" "bridge.in" {}
}
