package policy

// Schema returns the Cedar schema over which policies are written.
func Schema() string { return schemaText }

const schemaText = `// Who asks. A lead is in Role::"technician" and Role::"viewer", too.
entity Role;
entity Technician in [Role] {
  name: String,
  onCall: Bool  // a lead or more who is on call for the endpoint's client now
};

// Where. Labels are tags: resource.hasTag("tier") && resource.getTag("tier") == "prod".
entity Client;
entity Endpoint in [Client] { name: String, client: String, os: String } tags String;

type About = {
  approvals: Long,  // how many other people have approved exactly this
  command: String,  // the line as it was typed: a tripwire, not a boundary
  targets: Long,    // how many endpoints it was asked for at once
  now: datetime,
  hour: Long,       // 0 to 23, where the relay is
  weekday: Long     // 1, Monday, to 7, Sunday
};

// What a step may do to the endpoint.
action "run";
action "read", "probe", "shell", "change" in ["run"]
  appliesTo { principal: [Technician], resource: [Endpoint], context: About };

// Say yes to what somebody else asked for.
action "approve" appliesTo { principal: [Technician], resource: [Endpoint], context: About };
`

// Default is the policy of a relay to which none was applied: technicians run commands
// and ask checks without waiting for anybody, a fix needs somebody else's yes, and leads
// may approve.
const Default = `// Technicians run commands and ask checks, and wait for nobody.
@id("technicians-run")
permit (principal in Role::"technician", action in Action::"run", resource);

// The one gate: a fix, which is a check that changes the endpoint, needs somebody else.
// Take the rule out, or narrow it:
//
//   forbid (principal, action == Action::"change", resource in Client::"acme")
//   when { resource.hasTag("tier") && resource.getTag("tier") == "prod" && context.approvals < 1 };
@id("fixes-need-somebody-else")
forbid (principal, action == Action::"change", resource) when { context.approvals < 1 };

// Leads say yes where a gate asks for it.
@id("leads-approve")
permit (principal in Role::"lead", action == Action::"approve", resource);
`
