//go:build !failpoints

package store_test

func setWriterFailpoint(string) error { return nil }
