package policy

import (
	"github.com/cedar-policy/cedar-go/types"

	"github.com/caisey/caisey/relay/console"
)

// A world shows one request to the rules, as entities. It makes each of them once,
// and no map: a decision is made for every step.
type world struct {
	technician, endpoint types.Entity
	actions              map[types.EntityUID]types.Entity
}

func (s *Set) world(r Request) *world {
	tags := make(types.RecordMap, len(r.Endpoint.Labels))
	for k, v := range r.Endpoint.Labels {
		tags[types.String(k)] = types.String(v)
	}
	return &world{
		technician: types.Entity{
			UID: types.NewEntityUID("Technician", types.String(r.Technician)), Parents: s.roles[r.Role],
			Attributes: types.NewRecord(types.RecordMap{"name": types.String(r.Technician), "onCall": types.Boolean(r.OnCall)}),
		},
		endpoint: types.Entity{
			UID:     types.NewEntityUID("Endpoint", types.String(r.Endpoint.ID)),
			Parents: types.NewEntityUIDSet(types.NewEntityUID("Client", types.String(r.Endpoint.Client))),
			Attributes: types.NewRecord(types.RecordMap{
				"name": types.String(r.Endpoint.Name), "client": types.String(r.Endpoint.Client), "os": types.String(r.Endpoint.OS),
			}),
			Tags: types.NewRecord(tags),
		},
		actions: s.actions,
	}
}

// Get implements types.EntityGetter.
func (w *world) Get(id types.EntityUID) (types.Entity, bool) {
	switch id.Type {
	case "Technician":
		return w.technician, id == w.technician.UID
	case "Endpoint":
		return w.endpoint, id == w.endpoint.UID
	case "Action":
		a, ok := w.actions[id]
		return a, ok
	case "Role", "Client":
		return types.Entity{UID: id}, true
	}
	return types.Entity{}, false
}

func actionID(name string) types.EntityUID { return types.NewEntityUID("Action", types.String(name)) }

// newActions returns the actions of the schema.
func newActions() map[types.EntityUID]types.Entity {
	out := map[types.EntityUID]types.Entity{}
	for _, name := range []string{"run", "approve"} {
		out[actionID(name)] = types.Entity{UID: actionID(name)}
	}
	for _, effect := range []string{"read", "probe", "shell", "change"} {
		out[actionID(effect)] = types.Entity{UID: actionID(effect), Parents: types.NewEntityUIDSet(actionID("run"))}
	}
	return out
}

// roles holds, for each role, the roles that it covers.
type roles map[console.Role]types.EntityUIDSet

func newRoles() roles {
	out := roles{}
	all := []console.Role{console.RoleViewer, console.RoleTechnician, console.RoleLead, console.RoleAdmin}
	for _, role := range all {
		var covered []types.EntityUID
		for _, other := range all {
			if role.Covers(other) {
				covered = append(covered, types.NewEntityUID("Role", types.String(other)))
			}
		}
		out[role] = types.NewEntityUIDSet(covered...)
	}
	return out
}
