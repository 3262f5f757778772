// Drive Intel's unmodified Go connector: reads one JSON object of wishes, prints one of results.
// Only the adapter is ours: it asks vouch-sim for the quote that a device would give.
package main

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/google/uuid"
	connector "github.com/intel/trustauthority-client/go-connector"
)

type wishes struct {
	URL          string                   `json:"url"`
	Key          string                   `json:"key"`
	CA           string                   `json:"ca"`
	Tee          string                   `json:"tee"`
	Held         string                   `json:"held"`
	QuoteCommand []string                 `json:"quote_command"`
	Composite    bool                     `json:"v2"`
	Alg          string                   `json:"alg"`
	PolicyIds    []string                 `json:"policy_ids"`
	MustMatch    bool                     `json:"must_match"`
	Corrupt      bool                     `json:"corrupt"`
	OtherData    bool                     `json:"other_data"`
	SleepMs      int                      `json:"sleep_ms"`
	Nonce        *connector.VerifierNonce `json:"nonce"`
}

type results struct {
	Token  string                 `json:"token"`
	Claims map[string]interface{} `json:"claims"`
	Error  string                 `json:"error"`
	Trace  string                 `json:"trace"`
}

type adapter struct{ w wishes }

func (a adapter) quote(nonce []byte) ([]byte, error) {
	bound := append(append([]byte{}, nonce...), a.w.Held...)
	var data string
	if a.w.Tee == "tdx" {
		data = fmt.Sprintf("%x", sha512.Sum512(bound))
	} else {
		data = fmt.Sprintf("%x", sha256.Sum256(bound)) + strings.Repeat("00", 32)
	}
	words := append(append([]string{}, a.w.QuoteCommand[1:]...), "--report-data", data)
	text, err := exec.Command(a.w.QuoteCommand[0], words...).Output()
	if err != nil {
		return nil, err
	}
	quote, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err == nil && a.w.Corrupt {
		quote[100] ^= 1
	}
	time.Sleep(time.Duration(a.w.SleepMs) * time.Millisecond)
	return quote, err
}

func (a adapter) held() []byte {
	if a.w.OtherData {
		return []byte(a.w.Held + "x")
	}
	return []byte(a.w.Held)
}

func (a adapter) CollectEvidence(nonce []byte) (*connector.Evidence, error) {
	quote, err := a.quote(nonce)
	if err != nil {
		return nil, err
	}
	kind := connector.Sgx
	if a.w.Tee == "tdx" {
		kind = connector.Tdx
	}
	return &connector.Evidence{Type: kind, Evidence: quote, RuntimeData: a.held()}, nil
}

func (a adapter) GetEvidenceIdentifier() string { return a.w.Tee }

func (a adapter) GetEvidence(nonce *connector.VerifierNonce, _ []byte) (interface{}, error) {
	quote, err := a.quote(append(append([]byte{}, nonce.Val...), nonce.Iat...))
	if err != nil {
		return nil, err
	}
	return struct {
		RuntimeData   []byte                   `json:"runtime_data"`
		Quote         []byte                   `json:"quote"`
		VerifierNonce *connector.VerifierNonce `json:"verifier_nonce,omitempty"`
	}{a.held(), quote, nonce}, nil
}

func ids(texts []string) []uuid.UUID {
	var list []uuid.UUID
	for _, text := range texts {
		list = append(list, uuid.MustParse(text))
	}
	return list
}

func attest(c connector.Connector, w wishes) (string, http.Header, error) {
	if w.Nonce != nil {
		evidence, err := adapter{w}.GetEvidence(w.Nonce, nil)
		if err != nil {
			return "", nil, err
		}
		r, err := c.AttestEvidence(map[string]interface{}{w.Tee: evidence}, "", "interop-1")
		return r.Token, r.Headers, err
	}
	if !w.Composite {
		r, err := c.Attest(connector.AttestArgs{Adapter: adapter{w}, PolicyIds: ids(w.PolicyIds),
			RequestId: "interop-1", TokenSigningAlg: w.Alg, PolicyMustMatch: w.MustMatch})
		return r.Token, r.Headers, err
	}
	builder, err := connector.NewEvidenceBuilder(
		connector.WithVerifierNonce(c), connector.WithEvidenceAdapter(adapter{w}),
		connector.WithPolicyIds(ids(w.PolicyIds)), connector.WithPoliciesMustMatch(w.MustMatch),
		connector.WithTokenSigningAlgorithm(connector.JwtAlg(w.Alg)))
	if err != nil {
		return "", nil, err
	}
	evidence, err := builder.Build()
	if err != nil {
		return "", nil, err
	}
	r, err := c.AttestEvidence(evidence, "", "interop-1")
	return r.Token, r.Headers, err
}

func run(w wishes) (results, error) {
	var r results
	pem, err := os.ReadFile(w.CA)
	if err != nil {
		return r, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	c, err := connector.New(&connector.Config{BaseUrl: w.URL, ApiUrl: w.URL, ApiKey: w.Key,
		TlsCfg: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12,
			CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}}})
	if err != nil {
		return r, err
	}
	token, headers, err := attest(c, w)
	if err != nil {
		return r, err
	}
	r.Token, r.Trace = token, headers.Get("trace-id")
	parsed, err := c.VerifyToken(token)
	if err != nil {
		return r, err
	}
	claims, err := json.Marshal(parsed.Claims)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(claims, &r.Claims)
}

func main() {
	var w wishes
	if err := json.NewDecoder(os.Stdin).Decode(&w); err != nil {
		panic(err)
	}
	r, err := run(w)
	if err != nil {
		r.Error = err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		panic(err)
	}
}
