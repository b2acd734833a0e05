package api

import (
	"bytes"
	"image"
	"image/png"
	"testing"

	"postern/internal/desktest"
	"postern/store"
)

// TestB1_BrandingByTheAPI: pictures are put there, colours are derived, and a token without the right changes nothing.
func TestB1_BrandingByTheAPI(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		c := newClientOn(t, o)
		c.want(403, "PUT", "/api/v1/branding/logo", map[string]any{"content": []byte("x")}, nil)
		c.token = c.operator()
		var b bytes.Buffer
		ok(t, png.Encode(&b, image.NewGray(image.Rect(0, 0, 60, 20))))
		var got struct {
			Color     string
			Logo      *struct{ Width int }
			Light     struct{ Accent string }
			Corrected bool
			Dark      struct {
				OnAccent string `json:"on_accent"`
			}
		}
		c.want(200, "PATCH", "/api/v1/settings", map[string]any{"branding": map[string]any{"color": "#ffe000"}}, nil)
		c.want(200, "PUT", "/api/v1/branding/logo", map[string]any{"content": b.Bytes()}, &got)
		if got.Logo == nil || got.Logo.Width != 60 || got.Color != "#ffe000" || !got.Corrected || got.Light.Accent == got.Color || got.Dark.OnAccent == "" {
			t.Errorf("%+v", got)
		}
		c.want(422, "PUT", "/api/v1/branding/logo", map[string]any{"content": []byte("<svg/>")}, nil)
		c.want(422, "PUT", "/api/v1/branding/banner", map[string]any{"content": b.Bytes()}, nil)
		c.want(200, "PATCH", "/api/v1/settings", map[string]any{"branding": map[string]any{"logo": nil, "color": ""}}, nil)
		got.Logo = nil
		c.want(200, "GET", "/api/v1/branding", nil, &got)
		if got.Logo != nil || got.Corrected || got.Light.Accent != "#0b6a5d" {
			t.Errorf("as it comes: %+v", got)
		}
	})
}
