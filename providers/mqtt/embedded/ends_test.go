package embedded_test

import "testing"

// TestEndsWhileClientsGo: the broker ends also when clients are leaving just
// then. Its library's own way of ending them stood still for ever in one of 300
// of these rounds, so not every run would find it again.
func TestEndsWhileClientsGo(t *testing.T) {
	for range 40 {
		where, stop := run(t, spec(), "")
		var devices []device
		for range 40 {
			d := connectDevice(t, where.MQTT, "")
			d.read() // CONNACK
			devices = append(devices, d)
		}
		go func() {
			for _, d := range devices {
				d.Close()
			}
		}()
		stop()
	}
}
