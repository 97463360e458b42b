package rabbitmq

import (
	"fmt"
	"net/url"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/access"
)

// configSchema is the broker block of a RabbitMQ broker.
func configSchema() providers.Schema {
	return providers.Schema{
		Doc: "A RabbitMQ broker. Its URL's scheme, amqp or amqps, picks this provider; the URL's path is the default vhost.",
		Attrs: []providers.Attr{
			{Name: "url", Type: cty.String, Sensitive: access.Whole(), Check: checkBrokerURL,
				Doc: "amqp(s)://user:password@host:port/vhost; a slash in the vhost's name is written %2F"},
			{Name: "management", Type: cty.String, Check: checkManagementURL,
				Doc: "URL of the management API; default: the same host, port 15672, or 15671 with TLS. \"none\": there is none, and a plan can see less"},
			access.UsernameAttr("guest"),
			access.PasswordAttr(),
			access.PasswordCommandAttr(),
			access.TLSAttr("how TLS connections are checked, to the broker and to its management API"),
			access.PrefixAttr(),
		},
		Validate: access.CheckLogin,
	}
}

func checkBrokerURL(v cty.Value) error {
	_, err := parseURL(v.AsString())
	return err
}

const noManagement = "none"

func checkManagementURL(v cty.Value) error {
	s := v.AsString()
	if s == "" || s == noManagement {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("it is no URL of a management API: write http://host:15672, or \"none\" where the broker has none")
	}
	if u.User != nil {
		return fmt.Errorf("credentials do not belong here: write them as username and password of the broker block")
	}
	return nil
}
