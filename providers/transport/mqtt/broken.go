package mqtt

import "context"

// Broken waits for a connection that stands, and returns what is closed when
// that one breaks: for who had rather give up than wait for the next.
func (c *Client) Broken(ctx context.Context) (<-chan struct{}, error) {
	s, err := c.session(ctx)
	if err != nil {
		return nil, err
	}
	return s.done, nil
}
