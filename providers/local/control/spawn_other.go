//go:build !linux

package control

func canServe() error { return errLinux }

func spawn(Place, string, []string, []string) (func() bool, error) { return nil, errLinux }

func (p Place) seat() (Seat, bool) { return Seat{}, false }
