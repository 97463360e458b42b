package rabbittest

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/msgflo/msgflo/providers/providertest/child"
)

// ErrNotInstalled says that this machine has no RabbitMQ.
var ErrNotInstalled = errors.New("rabbitmq-server is not installed, and this needs a real broker: run `make test`, which installs it on Debian and Ubuntu, or `apt-get install rabbitmq-server`")

// An installation is what findInstallation found: paths of programs.
type installation struct{ server, epmd string }

func findInstallation() (installation, error) {
	server, err := child.Find("rabbitmq-server", "/usr/lib/rabbitmq/bin", "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
	if err != nil {
		return installation{}, ErrNotInstalled
	}
	// Debian's command is a wrapper that changes to the user rabbitmq and to
	// the system's data folder; the script itself lies beside it.
	if real, err := filepath.EvalSymlinks(server); err == nil && filepath.Base(real) == "rabbitmq-script-wrapper" {
		server = filepath.Join(filepath.Dir(real), "rabbitmq-server")
	}
	epmd, err := child.Find("epmd", "/usr/lib/erlang/bin", "/usr/local/lib/erlang/bin")
	if err != nil {
		return installation{}, fmt.Errorf("rabbitmq-server is installed, but Erlang's epmd is not: %w", err)
	}
	return installation{server: server, epmd: epmd}, nil
}
