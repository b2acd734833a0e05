//go:build long

package e2e

// long says that tests may take as long as they need ("make test-long").
const long = true
