package cli

// terraformCommand says what to do in place of a command that Terraform has and
// msgflo has no need of; "" for any other.
func terraformCommand(name string) string {
	switch name {
	case "taint":
		return "`msgflo apply -replace ADDR` makes an object anew"
	case "untaint":
		return "nothing is tainted here; what failed is planned again"
	case "refresh":
		return "`msgflo apply -refresh-only` takes note of what changed outside, and every plan reads what is live"
	case "get":
		return "modules are local, so there is nothing to fetch"
	case "login", "logout":
		return "there is nothing to log in to; credentials stand in the broker and backend blocks, or in the environment"
	}
	return ""
}

// terraformFlag is terraformCommand for flags.
func terraformFlag(name string) string {
	switch name {
	case "refresh":
		return "what is live is read for every plan; -refresh-only does only that"
	case "upgrade", "get", "plugin-dir", "lockfile":
		return "nothing is installed; modules are local, and providers built in"
	case "backend", "backend-config", "reconfigure", "migrate-state", "force-copy":
		return "the backend is what its block says; `msgflo state pull` and `msgflo state push` take a state from one to another"
	case "state", "state-out", "backup":
		return "where the state is kept says the backend block: backend \"local\" { path = \"FILE\" }"
	case "generate-config-out":
		return "write the block first, then import into it; the next plan shows what differs"
	}
	return ""
}
