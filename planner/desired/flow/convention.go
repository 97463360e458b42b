package flow

// QueueName is what carries a port where nothing else is written: its queue, exchange
// or topic by the convention of the role's client library (msgflo-wire.md §2.0).
// It is "" for a client that nobody knows.
func QueueName(library, role, port string) string {
	c, ok := clientOf(library)
	if library == "" || !ok {
		return ""
	}
	return c.conventional(role, port)
}
