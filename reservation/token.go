package reservation

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// A tokenMaker derives tokens from the secret of one boot. It is not safe for concurrent use.
type tokenMaker struct {
	mac hash.Hash
	sum [sha256.Size]byte
}

func newTokenMaker(boot Boot) *tokenMaker {
	return &tokenMaker{mac: hmac.New(sha256.New, boot.Secret[:])}
}

// token returns the first 64 bits of HMAC-SHA256(secret, protocol, range, serial). Whoever knows the
// secret computes the same token, so that all processes of a boot agree without a token on disk, and
// nobody else can guess one. The trailing byte counts the (in practice unseen) results of zero,
// which would name nothing.
func (m *tokenMaker) token(protocol Protocol, r Range, serial uint64) Token {
	var message [14]byte
	message[0] = byte(protocol)
	binary.BigEndian.PutUint16(message[1:], r.First())
	binary.BigEndian.PutUint16(message[3:], r.Last())
	binary.BigEndian.PutUint64(message[5:], serial)
	for ; ; message[13]++ {
		m.mac.Reset()
		m.mac.Write(message[:])
		if token := Token(binary.BigEndian.Uint64(m.mac.Sum(m.sum[:0]))); token != 0 {
			return token
		}
	}
}
