// Package routes is the table of MQTT routes as it lies on the broker: one
// retained JSON document a state lineage, and beside it what the router that carries
// it says of itself. It also judges tables: which routes lead back to
// themselves, which filters overlap.
//
// It is pure. It imports providers/transport/mqtt (the rules of topics),
// config/diag and planner/dag; no connection is made here.
package routes

import (
	"errors"
	"fmt"
	"strings"

	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// What this module keeps for itself on a broker lies under Own; the rest of it
// is for anybody.
const (
	Own = "msgflo/"

	tables  = Own + "routes/"
	routers = Own + "routers/"
)

// Tables is the filter of all lineages' documents.
const Tables = tables + "+"

// Topic is where the document of a lineage is retained.
func Topic(lineage string) string { return tables + level.Replace(lineage) }

// RouterTopic is where the router of a lineage says how it stands, retained;
// empty when there is none.
func RouterTopic(lineage string) string { return routers + level.Replace(lineage) }

// ClientID names the sessions of a lineage's router. Lane 0 has the plain name;
// see Document.Lanes.
func ClientID(lineage string, lane int) string {
	id := "msgflo-router-" + level.Replace(lineage)
	if lane > 0 {
		id = fmt.Sprintf("%s-%d", id, lane)
	}
	return id
}

// level makes any text one level of a topic.
var level = strings.NewReplacer("%", "%25", "/", "%2F", "+", "%2B", "#", "%23", "\x00", "%00", ".", "%2E") //nolint:gochecknoglobals // a table

// Protected reports whether a topic is one that routes may not touch.
func Protected(topic string) bool {
	return strings.HasPrefix(topic, tables) || strings.HasPrefix(topic, routers)
}

// CheckFrom reports why a route cannot have this source.
func CheckFrom(filter string) error {
	if err := mqtt.CheckFilter(filter); err != nil {
		return err
	}
	switch {
	case strings.HasPrefix(filter, "$share/"), strings.HasPrefix(filter, "$queue/"):
		return fmt.Errorf("%q is a shared subscription; a route reads for itself, so name the topic alone", filter)
	case Protected(filter):
		return fmt.Errorf("the topic %q holds routes themselves, and cannot be routed", filter)
	}
	return nil
}

// CheckTo reports why a route cannot have this target.
func CheckTo(topic string) error {
	if strings.ContainsAny(topic, "+#") {
		return fmt.Errorf("%q has a wildcard (+ or #) in it: a message goes to one topic. Name it, or write one route for each", topic)
	}
	return CheckPublished(topic)
}

// CheckPublished reports why nothing of ours may be published to a topic.
func CheckPublished(topic string) error {
	if err := mqtt.CheckTopic(topic); err != nil {
		return err
	}
	switch {
	case strings.HasPrefix(topic, "$"):
		return fmt.Errorf("topics that begin with $, as %q, are the broker's own; nothing can be published there", topic)
	case Protected(topic):
		return fmt.Errorf("the topic %q holds routes, and only msgflo itself writes there", topic)
	}
	return nil
}

// errNewer is said of documents by a later msgflo.
var errNewer = errors.New("it was written by a newer msgflo; use that, or clear the topic to begin anew")
