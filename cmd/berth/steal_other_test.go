//go:build !linux

package main

const thiefVariable = "BERTH_TEST_THIEF"

func steal(string) int { return 1 }
