package testnet

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Authority issues certificates. A change of one may say anything of it but its serial number and its key, which is
// RSA where PublicKeyAlgorithm is x509.RSA, and ECDSA otherwise.
type Authority struct {
	t     testing.TB
	Cert  *x509.Certificate
	key   crypto.Signer
	chain [][]byte // from Cert on, without a root
}

// NewAuthority returns an authority with a root of its own, which lasts a year unless that is changed.
func NewAuthority(t testing.TB, changes ...func(*x509.Certificate)) *Authority {
	t.Helper()
	changes = append([]func(*x509.Certificate){func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
		c.NotAfter = time.Now().AddDate(1, 0, 0)
	}}, changes...)
	a := &Authority{t: t}
	a.Cert, a.key = a.issue(template("root", changes...), nil)
	return a
}

// Intermediate returns an authority whose certificate a issues.
func (a *Authority) Intermediate(changes ...func(*x509.Certificate)) *Authority {
	a.t.Helper()
	changes = append([]func(*x509.Certificate){func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	}}, changes...)
	issued := &Authority{t: a.t}
	issued.Cert, issued.key = a.issue(template("intermediate", changes...), a)
	issued.chain = append([][]byte{issued.Cert.Raw}, a.chain...)
	return issued
}

// Issue returns a certificate for names and IP addresses, with its chain, which lasts 60 days unless that is
// changed.
func (a *Authority) Issue(names []string, changes ...func(*x509.Certificate)) tls.Certificate {
	a.t.Helper()
	cert, key := a.issue(leaf(names, changes), a)
	return tls.Certificate{Certificate: append([][]byte{cert.Raw}, a.chain...), PrivateKey: key, Leaf: cert}
}

// SelfSigned returns a certificate as Issue does, which no authority has issued.
func SelfSigned(t testing.TB, names []string, changes ...func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	a := &Authority{t: t}
	cert, key := a.issue(leaf(names, changes), nil)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// leaf returns what a certificate for names and IP addresses is made of.
func leaf(names []string, changes []func(*x509.Certificate)) *x509.Certificate {
	made := template("leaf", changes...)
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			made.IPAddresses = append(made.IPAddresses, ip)
		} else {
			made.DNSNames = append(made.DNSNames, name)
		}
	}
	return made
}

// Pool returns the roots of who trusts the authority.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Cert)
	return pool
}

// PEM returns the certificate of the authority.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Cert.Raw})
}

// PEM returns a certificate with its chain, and its key.
func PEM(t testing.TB, c tls.Certificate) (chain, key []byte) {
	t.Helper()
	for _, cert := range c.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	require.NoError(t, err)
	return chain, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func template(name string, changes ...func(*x509.Certificate)) *x509.Certificate {
	now := time.Now()
	made := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(0, 0, 60),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, change := range changes {
		change(made)
	}
	return made
}

// issue signs a certificate; an authority that is nil is the certificate's own.
func (a *Authority) issue(made *x509.Certificate, by *Authority) (*x509.Certificate, crypto.Signer) {
	a.t.Helper()
	key, err := newKey(made.PublicKeyAlgorithm)
	require.NoError(a.t, err)
	made.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	require.NoError(a.t, err)
	parent, signer := made, key
	if by != nil {
		parent, signer = by.Cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, made, parent, key.Public(), signer)
	require.NoError(a.t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(a.t, err)
	return cert, key
}

func newKey(algorithm x509.PublicKeyAlgorithm) (crypto.Signer, error) {
	if algorithm == x509.RSA {
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}
