package inuse

// AppendSockDiagRequest lets the benchmark send the same request without our reader.
var AppendSockDiagRequest = appendSockDiagRequest
