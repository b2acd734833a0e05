package e2e

import (
	"context"
	"fmt"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// The steps of a visitor: they find elements by a selector, in the page itself. chromedp's own steps for that ask a copy of the document which it keeps up to
// date by a question without a limit of time: a page that does not answer it would hold up a test for ever.

// click presses the left button of the mouse on the middle of an element once it can be seen, and scrolls there if need be.
func click(selector string) step {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		at, err := middle(ctx, t, selector)
		if err != nil {
			return err
		}
		_, err = chromedp.MouseClickXY(at[0], at[1])(ctx, t)
		return err
	})
}

func doubleClick(selector string) step {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		at, err := middle(ctx, t, selector)
		if err != nil {
			return err
		}
		for n := range 2 {
			if _, err := chromedp.MouseClickXY(at[0], at[1], chromedp.ClickCount(n+1))(ctx, t); err != nil {
				return err
			}
		}
		return nil
	})
}

// appears waits until an element can be seen.
func appears(selector string) step {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := middle(ctx, t, selector)
		return err
	})
}

// middle waits until an element can be seen, and tells where in the window it is.
func middle(ctx context.Context, t *chromedp.Target, selector string) ([]float64, error) {
	look := chromedp.Evaluate[[]float64](fmt.Sprintf(`(e => { if (!e?.checkVisibility({visibilityProperty: true})) return null;
		e.scrollIntoViewIfNeeded();
		const r = e.getClientRects()[0];
		return r?.width && r.height ? [r.x + r.width / 2, r.y + r.height / 2] : null })(document.querySelector(%q))`, selector))
	for {
		at, err := look(ctx, t)
		if err == nil && len(at) == 2 {
			return at, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%s can not be seen: %w", selector, ctx.Err())
		}
		wait(10 * time.Millisecond) // between two pages there is none to ask
	}
}

// typed strikes the keys of a text in a field.
func typed(selector, text string) step {
	return chromedp.Steps(appears(selector), chromedp.Evaluate[chromedp.Void](fmt.Sprintf("document.querySelector(%q).focus()", selector)), chromedp.KeyEvent(text))
}

// submit sends the form of a field, as Enter does.
func submit(selector string) step {
	return chromedp.Steps(appears(selector), chromedp.Evaluate[chromedp.Void](fmt.Sprintf("document.querySelector(%q).form.requestSubmit()", selector)))
}

// choose picks files in a file field.
func choose(selector string, files []string) step {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		field, err := chromedp.Evaluate[*runtime.RemoteObject](fmt.Sprintf("document.querySelector(%q)", selector))(ctx, t)
		if err != nil {
			return err
		}
		_, err = cdp.Call(ctx, t, dom.SetFileInputFiles, dom.SetFileInputFilesParams{Files: files, ObjectID: field.ObjectID})
		return err
	})
}

// arrives follows the link in somebody's welcome mail and sets a password.
func (p *tab) arrives(in *installation, address string) {
	p.t.Helper()
	p.open(link(p.t, in.sentTo(address, 1)))
	p.fill("#password", password)
	p.leads("set the password", submit("#password"))
}
