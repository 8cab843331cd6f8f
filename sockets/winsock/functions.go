package winsock

// The functions of this file act for the current process (see [SetProcess]); each is what the method
// of [Process] with its name is.

// WSAStartup calls [Process.WSAStartup] of the current process.
func WSAStartup(verreq uint32, data *WSAData) (sockerr error) {
	return current().WSAStartup(verreq, data)
}

// WSACleanup calls [Process.WSACleanup] of the current process.
func WSACleanup() (err error) {
	return current().WSACleanup()
}

// WSAGetLastError calls [Process.WSAGetLastError] of the current process.
func WSAGetLastError() Errno {
	return current().WSAGetLastError()
}

// WSASetLastError calls [Process.WSASetLastError] of the current process.
func WSASetLastError(code Errno) {
	current().WSASetLastError(code)
}

// LastCause calls [Process.LastCause] of the current process.
func LastCause() error {
	return current().LastCause()
}

// Closesocket calls [Process.Closesocket] of the current process.
func Closesocket(s Handle) (err error) {
	return current().Closesocket(s)
}

// CloseHandle calls [Process.CloseHandle] of the current process.
func CloseHandle(handle Handle) (err error) {
	return current().CloseHandle(handle)
}

// DuplicateHandle calls [Process.DuplicateHandle] of the current process.
func DuplicateHandle(hSourceProcessHandle Handle, hSourceHandle Handle, hTargetProcessHandle Handle, lpTargetHandle *Handle, dwDesiredAccess uint32, bInheritHandle bool, dwOptions uint32) (err error) {
	return current().DuplicateHandle(hSourceProcessHandle, hSourceHandle, hTargetProcessHandle, lpTargetHandle, dwDesiredAccess, bInheritHandle, dwOptions)
}

// Socket calls [Process.Socket] of the current process.
func Socket(domain, typ, proto int) (fd Handle, err error) {
	return current().Socket(domain, typ, proto)
}

// WSASocket calls [Process.WSASocket] of the current process.
func WSASocket(af int32, typ int32, protocol int32, protoInfo *WSAProtocolInfo, group uint32, flags uint32) (handle Handle, err error) {
	return current().WSASocket(af, typ, protocol, protoInfo, group, flags)
}

// Bind calls [Process.Bind] of the current process.
func Bind(fd Handle, sa Sockaddr) (err error) {
	return current().Bind(fd, sa)
}

// Getsockname calls [Process.Getsockname] of the current process.
func Getsockname(fd Handle) (sa Sockaddr, err error) {
	return current().Getsockname(fd)
}

// Getpeername calls [Process.Getpeername] of the current process.
func Getpeername(fd Handle) (sa Sockaddr, err error) {
	return current().Getpeername(fd)
}

// Connect calls [Process.Connect] of the current process.
func Connect(fd Handle, sa Sockaddr) (err error) {
	return current().Connect(fd, sa)
}

// Listen calls [Process.Listen] of the current process.
func Listen(s Handle, n int) (err error) {
	return current().Listen(s, n)
}

// Accept calls [Process.Accept] of the current process.
func Accept(fd Handle) (nfd Handle, sa Sockaddr, err error) {
	return current().Accept(fd)
}

// Shutdown calls [Process.Shutdown] of the current process.
func Shutdown(fd Handle, how int) (err error) {
	return current().Shutdown(fd, how)
}

// SetsockoptInt calls [Process.SetsockoptInt] of the current process.
func SetsockoptInt(fd Handle, level, opt int, value int) (err error) {
	return current().SetsockoptInt(fd, level, opt, value)
}

// Setsockopt calls [Process.Setsockopt] of the current process.
func Setsockopt(s Handle, level int32, optname int32, optval *byte, optlen int32) (err error) {
	return current().Setsockopt(s, level, optname, optval, optlen)
}

// SetsockoptLinger calls [Process.SetsockoptLinger] of the current process.
func SetsockoptLinger(fd Handle, level, opt int, l *Linger) (err error) {
	return current().SetsockoptLinger(fd, level, opt, l)
}

// GetsockoptInt calls [Process.GetsockoptInt] of the current process.
func GetsockoptInt(fd Handle, level, opt int) (int, error) {
	return current().GetsockoptInt(fd, level, opt)
}

// Getsockopt calls [Process.Getsockopt] of the current process.
func Getsockopt(s Handle, level int32, optname int32, optval *byte, optlen *int32) (err error) {
	return current().Getsockopt(s, level, optname, optval, optlen)
}

// WSAIoctl calls [Process.WSAIoctl] of the current process.
func WSAIoctl(s Handle, iocc uint32, inbuf *byte, cbif uint32, outbuf *byte, cbob uint32, cbbr *uint32, overlapped *Overlapped, completionRoutine uintptr) (err error) {
	return current().WSAIoctl(s, iocc, inbuf, cbif, outbuf, cbob, cbbr, overlapped, completionRoutine)
}

// Sendto calls [Process.Sendto] of the current process.
func Sendto(fd Handle, data []byte, flags int, to Sockaddr) (err error) {
	return current().Sendto(fd, data, flags, to)
}

// WSASendto calls [Process.WSASendto] of the current process.
func WSASendto(s Handle, bufs *WSABuf, bufcnt uint32, sent *uint32, flags uint32, to Sockaddr, overlapped *Overlapped, croutine *byte) (err error) {
	return current().WSASendto(s, bufs, bufcnt, sent, flags, to, overlapped, croutine)
}

// WSASendTo calls [Process.WSASendTo] of the current process.
func WSASendTo(s Handle, bufs *WSABuf, bufcnt uint32, sent *uint32, flags uint32, to *RawSockaddrAny, tolen int32, overlapped *Overlapped, croutine *byte) (err error) {
	return current().WSASendTo(s, bufs, bufcnt, sent, flags, to, tolen, overlapped, croutine)
}

// WSASend calls [Process.WSASend] of the current process.
func WSASend(s Handle, bufs *WSABuf, bufcnt uint32, sent *uint32, flags uint32, overlapped *Overlapped, croutine *byte) (err error) {
	return current().WSASend(s, bufs, bufcnt, sent, flags, overlapped, croutine)
}

// Recvfrom calls [Process.Recvfrom] of the current process.
func Recvfrom(fd Handle, data []byte, flags int) (n int, from Sockaddr, err error) {
	return current().Recvfrom(fd, data, flags)
}

// WSARecvFrom calls [Process.WSARecvFrom] of the current process.
func WSARecvFrom(s Handle, bufs *WSABuf, bufcnt uint32, recvd *uint32, flags *uint32, from *RawSockaddrAny, fromlen *int32, overlapped *Overlapped, croutine *byte) (err error) {
	return current().WSARecvFrom(s, bufs, bufcnt, recvd, flags, from, fromlen, overlapped, croutine)
}

// WSARecv calls [Process.WSARecv] of the current process.
func WSARecv(s Handle, bufs *WSABuf, bufcnt uint32, recvd *uint32, flags *uint32, overlapped *Overlapped, croutine *byte) (err error) {
	return current().WSARecv(s, bufs, bufcnt, recvd, flags, overlapped, croutine)
}

// NewCallback calls [Process.NewCallback] of the current process.
func NewCallback(fn any) uintptr {
	return current().NewCallback(fn)
}

// SleepEx calls [Process.SleepEx] of the current process.
func SleepEx(milliseconds uint32, alertable bool) (ret uint32) {
	return current().SleepEx(milliseconds, alertable)
}

// WSAGetOverlappedResult calls [Process.WSAGetOverlappedResult] of the current process.
func WSAGetOverlappedResult(h Handle, o *Overlapped, bytes *uint32, wait bool, flags *uint32) (err error) {
	return current().WSAGetOverlappedResult(h, o, bytes, wait, flags)
}

// GetOverlappedResult calls [Process.GetOverlappedResult] of the current process.
func GetOverlappedResult(handle Handle, overlapped *Overlapped, done *uint32, wait bool) (err error) {
	return current().GetOverlappedResult(handle, overlapped, done, wait)
}

// CancelIoEx calls [Process.CancelIoEx] of the current process.
func CancelIoEx(s Handle, o *Overlapped) (err error) {
	return current().CancelIoEx(s, o)
}

// CreateEvent calls [Process.CreateEvent] of the current process.
func CreateEvent(eventAttrs *SecurityAttributes, manualReset uint32, initialState uint32, name *uint16) (handle Handle, err error) {
	return current().CreateEvent(eventAttrs, manualReset, initialState, name)
}

// SetEvent calls [Process.SetEvent] of the current process.
func SetEvent(event Handle) (err error) {
	return current().SetEvent(event)
}

// ResetEvent calls [Process.ResetEvent] of the current process.
func ResetEvent(event Handle) (err error) {
	return current().ResetEvent(event)
}

// WaitForSingleObject calls [Process.WaitForSingleObject] of the current process.
func WaitForSingleObject(handle Handle, waitMilliseconds uint32) (event uint32, err error) {
	return current().WaitForSingleObject(handle, waitMilliseconds)
}

// Close calls [Process.Close] of the current process.
func Close(fd Handle) (err error) {
	return current().Close(fd)
}

// CurrentProcess calls [Process.CurrentProcess] of the current process.
func CurrentProcess() Handle {
	return current().CurrentProcess()
}

// GetCurrentProcess calls [Process.GetCurrentProcess] of the current process.
func GetCurrentProcess() (Handle, error) {
	return current().GetCurrentProcess()
}
