//go:build !unix

package control

import "io/fs"

func writable(string) error { return nil }

func owner(fs.FileInfo) (uid int, known bool) { return 0, false }
