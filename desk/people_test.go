package desk

import (
	"strings"
	"testing"
)

// TestT1_NoDomainOfTheListIsACompanys goes through the whole list, with what people put before and around it.
func TestT1_NoDomainOfTheListIsACompanys(t *testing.T) {
	t.Parallel()
	if len(publicMailDomains) < 150 || len(publicMailNames) < 10 {
		t.Fatalf("the list has shrunk to %d domains and %d names", len(publicMailDomains), len(publicMailNames))
	}
	for domain := range publicMailDomains {
		if n, ok := NormalizeDomain(domain); !ok || n != domain {
			t.Errorf("%q is listed in a form that never matches", domain)
		}
		for _, d := range []string{domain, "mail." + domain, "a.b." + domain, strings.ToUpper(domain)} {
			if !PublicMailDomain(d) || CompanyDomains("ann@"+d) != nil {
				t.Errorf("%s could belong to a company", d)
			}
		}
		for _, d := range []string{"x" + domain, domain + ".acme.example", "x-" + domain} {
			if PublicMailDomain(d) && !publicMailDomains[d] {
				t.Errorf("%s is refused, but is not %s", d, domain)
			}
		}
	}
	for name := range publicMailNames {
		for _, tld := range []string{"com", "de", "fr", "co.uk", "com.br", "co.jp"} {
			if !PublicMailDomain(name + "." + tld) {
				t.Errorf("%s.%s could belong to a company", name, tld)
			}
		}
		for _, d := range []string{name + ".acme.example", "my" + name + "ing.example"} {
			if PublicMailDomain(d) {
				t.Errorf("%s is refused", d)
			}
		}
	}
}
