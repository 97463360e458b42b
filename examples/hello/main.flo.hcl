# Hello, with nothing to install: an MQTT broker that msgflo hosts by itself,
# two of its built-in components, and an edge from one to the other.

broker "main" {
  embedded {}
}

participant "hello" {
  component = "msgflo/Repeat"
}

participant "printer" {
  component = "msgflo/Output"
}

graph "hello" {
  edge "hello.out" "printer.in" {}
}

output "try_next" {
  value = <<-EOT
    go run ./cmd/msgflo status -chdir examples/hello
    go run ./cmd/msgflo send -chdir examples/hello hello.in '{"who": "me"}' && go run ./cmd/msgflo logs -chdir examples/hello printer
    go run ./cmd/msgflo tap -chdir examples/hello hello.out    # in one terminal, send in another
    go run ./cmd/msgflo plan examples/hello                    # after a change of examples/hello/main.flo.hcl
    go run ./cmd/msgflo destroy examples/hello                 # stops and removes all of it
  EOT
}
