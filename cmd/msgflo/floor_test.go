package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// floorMain is the bare program that msgflo is measured against: the same
// reads and the same declares with the same parallelism, and nothing else.
//
//	floor read MANAGEMENT-URL VHOST
//	floor declare|delete AMQP-URL N
func floorMain() {
	if err := floor(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func floor(args []string) error {
	switch args[0] {
	case "read":
		return floorRead(args[1], args[2])
	case "declare", "delete":
		n, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		return floorWrite(args[1], n, args[0] == "delete")
	}
	return fmt.Errorf("unknown floor %q", args[0])
}

// floorRead fetches the two documents that hold a vhost's topology.
func floorRead(base, vhost string) error {
	for _, path := range []string{"/api/definitions/", "/api/bindings/"} {
		req, err := http.NewRequest(http.MethodGet, base+path+url.PathEscape(vhost), nil)
		if err != nil {
			return err
		}
		req.SetBasicAuth("guest", "guest")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s, %w", path, resp.Status, err)
		}
	}
	return nil
}

// floorParallel is apply's default parallelism.
const floorParallel = 32

// floorWrite declares or deletes what roles(n) describes.
func floorWrite(amqpURL string, n int, remove bool) error {
	c, err := amqp.Dial(amqpURL)
	if err != nil {
		return err
	}
	defer c.Close()
	next := make(chan int)
	errs := make(chan error, floorParallel)
	var wg sync.WaitGroup
	for range floorParallel {
		wg.Go(func() {
			ch, err := c.Channel()
			for i := range next {
				if err == nil {
					err = floorRole(ch, i, remove)
				}
			}
			errs <- err
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	for range floorParallel {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

func floorRole(ch *amqp.Channel, i int, remove bool) error {
	name := roleName(i)
	if remove {
		if err := ch.QueueUnbind(name, "", name, nil); err != nil {
			return err
		}
		if _, err := ch.QueueDelete(name, false, true, false); err != nil {
			return err
		}
		return ch.ExchangeDelete(name, false, false)
	}
	if _, err := ch.QueueDeclare(name, true, false, false, false, amqp.Table{"x-dead-letter-exchange": "dead-" + name}); err != nil {
		return err
	}
	if err := ch.ExchangeDeclare(name, "fanout", true, false, false, false, nil); err != nil {
		return err
	}
	return ch.QueueBind(name, "", name, false, nil)
}

func roleName(i int) string { return fmt.Sprintf("role-%05d", i) }
