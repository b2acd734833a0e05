-- +goose Up
CREATE TABLE companies (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE company_domains (
    domain     TEXT PRIMARY KEY,
    company_id TEXT NOT NULL REFERENCES companies (id) ON DELETE CASCADE,
    position   BIGINT NOT NULL,
    verified   BOOLEAN NOT NULL -- an operator knows that it is the company's
);
CREATE INDEX company_domains_company ON company_domains (company_id);

CREATE TABLE contacts (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    language   TEXT NOT NULL,
    time_zone  TEXT NOT NULL,
    username   TEXT UNIQUE,
    disabled   BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE contact_addresses (
    email      TEXT PRIMARY KEY,
    contact_id TEXT NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
    position   BIGINT NOT NULL,
    proved_at  BIGINT NOT NULL -- when a link that was sent there was last used; 0: never
);
CREATE INDEX contact_addresses_contact ON contact_addresses (contact_id);
CREATE TABLE contact_companies (
    contact_id TEXT NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
    company_id TEXT NOT NULL REFERENCES companies (id) ON DELETE CASCADE,
    position   BIGINT NOT NULL,
    main       BOOLEAN NOT NULL, -- their main contact there
    PRIMARY KEY (contact_id, company_id)
);
-- Lists of contacts: fixed ones have members, the others a rule.
CREATE TABLE contact_lists (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    rule       TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE contact_list_members (
    list_id    TEXT NOT NULL REFERENCES contact_lists (id) ON DELETE CASCADE,
    contact_id TEXT NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
    added_at   BIGINT NOT NULL,
    PRIMARY KEY (list_id, contact_id)
);
CREATE INDEX contact_list_members_contact ON contact_list_members (contact_id);

CREATE TABLE mailboxes (
    id               TEXT PRIMARY KEY,
    address          TEXT NOT NULL UNIQUE,
    aliases          TEXT NOT NULL,
    name             TEXT NOT NULL,
    imap             TEXT NOT NULL,
    smtp             TEXT NOT NULL,
    secrets          BLOB NOT NULL,
    since            BIGINT NOT NULL,
    sent_folder      TEXT NOT NULL,
    folders          TEXT NOT NULL, -- watched besides INBOX and Sent
    mid_domain       TEXT NOT NULL,
    sub_address      BOOLEAN NOT NULL,
    subject_tag      BOOLEAN NOT NULL,
    sent_opens       BOOLEAN NOT NULL,
    policy           TEXT NOT NULL, -- how it works with agents and customers
    form_senders     TEXT NOT NULL,
    authserv_profile TEXT NOT NULL,
    authserv_id      TEXT NOT NULL,
    authserv_hops    BIGINT NOT NULL,
    dkim_fallback    BOOLEAN NOT NULL,
    signing          TEXT NOT NULL, -- how we sign by DKIM
    calibrated_at    BIGINT NOT NULL,
    pipeline         TEXT NOT NULL,
    paused           BOOLEAN NOT NULL,
    tried_at         BIGINT NOT NULL, -- when an operator last had it read at once
    oauth            TEXT NOT NULL, -- where access tokens come from, if they sign in
    placed_until     TEXT NOT NULL, -- where its mails of tickets lie is known up to this ledger row; empty: nobody has asked since that is followed
    created_at       BIGINT NOT NULL
);
CREATE TABLE folders (
    mailbox_id  TEXT NOT NULL REFERENCES mailboxes (id) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    role        TEXT NOT NULL,
    account     TEXT NOT NULL,
    generation  BIGINT NOT NULL,
    uidvalidity BIGINT NOT NULL,
    last_uid    BIGINT NOT NULL,
    seen        BIGINT NOT NULL,
    passed_over BIGINT NOT NULL, -- how many of them only the sweep has found
    problem     TEXT NOT NULL,   -- why it can't be read now; empty: it can
    PRIMARY KEY (mailbox_id, name)
);
CREATE TABLE leases (
    mailbox_id TEXT PRIMARY KEY REFERENCES mailboxes (id) ON DELETE CASCADE,
    owner      TEXT NOT NULL,
    epoch      BIGINT NOT NULL,
    reading    BIGINT NOT NULL, -- the epoch in which mails are read many at once; 0: they are not
    until      BIGINT NOT NULL
);
CREATE TABLE oauth_grants (
    mailbox_id    TEXT PRIMARY KEY REFERENCES mailboxes (id) ON DELETE CASCADE,
    tokens        BLOB NOT NULL, -- sealed
    version       BIGINT NOT NULL,
    expires       BIGINT NOT NULL,
    renew_at      BIGINT NOT NULL,
    forced        BOOLEAN NOT NULL,
    problem       TEXT NOT NULL,
    ended         BOOLEAN NOT NULL,
    retry_at      BIGINT NOT NULL,
    failures      BIGINT NOT NULL,
    authorised_at BIGINT NOT NULL,
    renewed_at    BIGINT NOT NULL,
    renewer       TEXT NOT NULL,   -- who has the tokens renewed now
    renewer_until BIGINT NOT NULL
);
CREATE TABLE agents (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    mailboxes  TEXT NOT NULL,
    notify     TEXT NOT NULL,
    disabled   BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE agent_addresses (
    email    TEXT PRIMARY KEY,
    agent_id TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    position BIGINT NOT NULL
);
CREATE INDEX agent_addresses_agent ON agent_addresses (agent_id);
CREATE TABLE forms (
    id         TEXT PRIMARY KEY,
    key        TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    mailbox_id TEXT NOT NULL REFERENCES mailboxes (id),
    auth       TEXT NOT NULL,
    secret     BLOB NOT NULL,
    mapping    TEXT NOT NULL,
    pipeline   TEXT NOT NULL,
    disabled   BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE tokens (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    hash       BLOB NOT NULL UNIQUE,
    scopes     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used  BIGINT NOT NULL
);
CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
INSERT INTO settings (key, value) VALUES ('generation', '1');

CREATE TABLE ledger (
    id            TEXT PRIMARY KEY,
    mailbox_id    TEXT NOT NULL,
    folder        TEXT NOT NULL,
    role          TEXT NOT NULL,
    generation    BIGINT NOT NULL,
    uidvalidity   BIGINT NOT NULL,
    uid           BIGINT NOT NULL,
    form_id       TEXT NOT NULL,
    delivery_id   TEXT NOT NULL,
    content_type  TEXT NOT NULL,
    internal_date BIGINT NOT NULL,
    received_at   BIGINT NOT NULL,
    size          BIGINT NOT NULL,
    raw_sha256    TEXT NOT NULL,
    header_only   BOOLEAN NOT NULL, -- the mail is too large: its bytes are its beginning alone
    outcome       TEXT NOT NULL,
    reason        TEXT NOT NULL,
    attempts      BIGINT NOT NULL,
    ticket_id     TEXT NOT NULL,
    subject       TEXT NOT NULL,
    sender        TEXT NOT NULL,
    retry_at      BIGINT NOT NULL, -- of an unfetched mail: when its server is asked for it again; 0: it is not
    done_at       BIGINT NOT NULL
);
CREATE UNIQUE INDEX ledger_uid ON ledger (mailbox_id, folder, generation, uidvalidity, uid) WHERE form_id = '';
CREATE UNIQUE INDEX ledger_delivery ON ledger (form_id, delivery_id) WHERE form_id <> '';
-- What waits to be read, in order, whatever else the mailbox ever had.
CREATE INDEX ledger_pending ON ledger (mailbox_id, id) WHERE outcome = 'pending' AND form_id = '';
CREATE INDEX ledger_pending_sent ON ledger (mailbox_id, id) WHERE outcome = 'pending' AND role = 'sent';
CREATE INDEX ledger_pending_posts ON ledger (id) WHERE outcome = 'pending' AND form_id <> '';
CREATE INDEX ledger_waiting ON ledger (outcome, id) WHERE outcome IN ('held', 'quarantined');
CREATE INDEX ledger_retry ON ledger (mailbox_id, retry_at) WHERE retry_at > 0;
CREATE INDEX ledger_held_for ON ledger (ticket_id) WHERE outcome = 'held';
CREATE TABLE raws (
    ledger_id TEXT PRIMARY KEY REFERENCES ledger (id) ON DELETE CASCADE,
    bytes     BLOB NOT NULL
);
CREATE TABLE fingerprints (
    mailbox_id  TEXT NOT NULL,
    message_id  TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    ledger_id   TEXT NOT NULL,
    PRIMARY KEY (mailbox_id, message_id, fingerprint)
);
-- What a mail in Sent has in common with a copy of it under another Message-ID, and which was first. Rows stay, as the ledger's do: a copy may come at any time.
CREATE TABLE sent_copies (
    mailbox_id TEXT NOT NULL,
    alike      TEXT NOT NULL,
    ledger_id  TEXT NOT NULL,
    PRIMARY KEY (mailbox_id, alike)
);

CREATE TABLE ticket_number (
    last BIGINT NOT NULL
);
INSERT INTO ticket_number (last) VALUES (0);
CREATE TABLE tickets (
    id               TEXT PRIMARY KEY,
    number           BIGINT NOT NULL UNIQUE,
    subject          TEXT NOT NULL,
    folded           TEXT NOT NULL, -- the subject as it is searched
    pipeline         TEXT NOT NULL,
    status           TEXT NOT NULL,
    mailbox_id       TEXT NOT NULL,
    contact_id       TEXT NOT NULL,
    company_id       TEXT NOT NULL,
    assignee_id      TEXT NOT NULL, -- the agent; empty: nobody
    source           TEXT NOT NULL,
    form             TEXT NOT NULL DEFAULT '', -- the key of the portal's form that it was written in
    properties       TEXT NOT NULL,
    created_at       BIGINT NOT NULL,
    last_activity_at BIGINT NOT NULL,
    last_customer    BOOLEAN NOT NULL,
    billed           BOOLEAN NOT NULL,
    follows          TEXT NOT NULL, -- the ticket that it goes on from; empty: none
    worked           BOOLEAN NOT NULL, -- somebody has decided something about it
    merged_into      TEXT NOT NULL -- the ticket that has what this one had; empty: none
);
CREATE INDEX tickets_contact ON tickets (contact_id, last_activity_at);
CREATE INDEX tickets_company ON tickets (company_id, last_activity_at) WHERE company_id <> '';
CREATE INDEX tickets_activity ON tickets (last_activity_at, id);
CREATE INDEX tickets_merged ON tickets (merged_into) WHERE merged_into <> '';
CREATE TABLE participants (
    ticket_id  TEXT NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
    email      TEXT NOT NULL,
    contact_id TEXT NOT NULL,
    name       TEXT NOT NULL,
    role       TEXT NOT NULL,
    muted      BOOLEAN NOT NULL, -- they want no mail about it
    PRIMARY KEY (ticket_id, email)
);
CREATE INDEX participants_contact ON participants (contact_id, ticket_id);
-- When a contact last looked at a ticket.
CREATE TABLE ticket_views (
    contact_id TEXT NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
    ticket_id  TEXT NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
    at         BIGINT NOT NULL,
    PRIMARY KEY (contact_id, ticket_id)
);
-- How customers say that a ticket went.
CREATE TABLE ratings (
    ticket_id  TEXT NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
    contact_id TEXT NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
    score      TEXT NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (ticket_id, contact_id)
);
CREATE TABLE conversations (
    id         TEXT PRIMARY KEY,
    ticket_id  TEXT NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
    mailbox_id TEXT NOT NULL,
    channel    TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX conversations_ticket ON conversations (ticket_id, id);
CREATE TABLE messages (
    id              TEXT PRIMARY KEY,
    ticket_id       TEXT NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
    conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    mailbox_id      TEXT NOT NULL,
    author_kind     TEXT NOT NULL,
    author_name     TEXT NOT NULL,
    author_email    TEXT NOT NULL,
    contact_id      TEXT NOT NULL,
    source          TEXT NOT NULL,
    internal        BOOLEAN NOT NULL,
    subject         TEXT NOT NULL,
    folded          TEXT NOT NULL, -- what it is searched by; stands before the long texts, which are not read for it
    text            TEXT NOT NULL,
    reply           TEXT NOT NULL,
    html            TEXT NOT NULL,
    recipients      TEXT NOT NULL,
    message_id      TEXT NOT NULL,
    refs            TEXT NOT NULL,
    thread_index    TEXT NOT NULL,
    class           TEXT NOT NULL,
    trust           BIGINT NOT NULL,
    reasons         TEXT NOT NULL,
    ledger_id       TEXT,
    nonce           TEXT,
    created_at      BIGINT NOT NULL
);
CREATE UNIQUE INDEX messages_nonce ON messages (nonce) WHERE nonce IS NOT NULL;
CREATE INDEX messages_ticket ON messages (ticket_id, created_at, id);
CREATE INDEX messages_conversation ON messages (conversation_id, created_at);
CREATE UNIQUE INDEX messages_ledger ON messages (ledger_id) WHERE ledger_id IS NOT NULL;
CREATE TABLE attachments (
    id         TEXT PRIMARY KEY,
    message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    position   BIGINT NOT NULL,
    name       TEXT NOT NULL,
    type       TEXT NOT NULL,
    size       BIGINT NOT NULL,
    sha256     TEXT NOT NULL,
    inline     BOOLEAN NOT NULL,
    content_id TEXT NOT NULL
);
CREATE INDEX attachments_message ON attachments (message_id, position);
CREATE TABLE message_ids (
    mailbox_id TEXT NOT NULL,
    mid        TEXT NOT NULL,
    ticket_id  TEXT NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
    subject_id TEXT NOT NULL,
    seen       BOOLEAN NOT NULL, -- else a mail of the ticket only names it
    ours       BOOLEAN NOT NULL, -- sent by us or by an agent
    people     TEXT NOT NULL,    -- whom that mail was from and to
    PRIMARY KEY (mailbox_id, mid, ticket_id)
);
CREATE INDEX message_ids_ours ON message_ids (subject_id) WHERE ours AND subject_id <> '';
CREATE TABLE orphans (
    mailbox_id TEXT NOT NULL,
    mid        TEXT NOT NULL,
    ledger_id  TEXT NOT NULL,
    PRIMARY KEY (mailbox_id, mid, ledger_id)
);
-- Signed reply addresses, and subject tags (email is empty). Those for agents have an agent_id; one that is the Message-ID of a
-- notification has the message that it was about.
CREATE TABLE reply_tokens (
    token      TEXT PRIMARY KEY,
    mailbox_id TEXT NOT NULL,
    ticket_id  TEXT NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
    email      TEXT NOT NULL,
    agent_id   TEXT NOT NULL,
    subject_id TEXT NOT NULL
);

-- Where the mails of tickets lie in mailboxes that tickets keep in step with.
CREATE TABLE places (
    ledger_id   TEXT PRIMARY KEY REFERENCES ledger (id) ON DELETE CASCADE,
    message_id  TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    mailbox_id  TEXT NOT NULL,
    folder      TEXT NOT NULL,
    generation  BIGINT NOT NULL,
    uidvalidity BIGINT NOT NULL,
    uid         BIGINT NOT NULL,
    mid         TEXT NOT NULL,    -- the Message-ID that the mail has there, which may be another than the message's; empty: not known
    marks       TEXT NOT NULL, -- the keywords that stand for a status, as it was last seen with them, or \Deleted
    ours        BOOLEAN NOT NULL, -- we have moved it there
    gone        BOOLEAN NOT NULL -- it is not there any more
);
CREATE INDEX places_message ON places (message_id);
CREATE INDEX places_there ON places (mailbox_id, folder, uid) WHERE NOT gone;
-- What is known of a ticket's conversation in such a mailbox.
CREATE TABLE followed (
    ticket_id  TEXT NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
    mailbox_id TEXT NOT NULL,
    place      TEXT NOT NULL,
    mark       TEXT NOT NULL,
    moves      TEXT NOT NULL, -- ours that were not seen yet
    PRIMARY KEY (ticket_id, mailbox_id)
);
-- What has happened to tickets beside their messages, or would have.
CREATE TABLE events (
    id         TEXT PRIMARY KEY,
    ticket_id  TEXT NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
    mailbox_id TEXT NOT NULL,
    at         BIGINT NOT NULL,
    kind       TEXT NOT NULL,
    was        TEXT NOT NULL,
    becomes    TEXT NOT NULL,
    cause      TEXT NOT NULL,
    dry_run    BOOLEAN NOT NULL
);
CREATE INDEX events_ticket ON events (ticket_id, id);
CREATE INDEX events_mailbox ON events (mailbox_id, id) WHERE mailbox_id <> '';

CREATE TABLE outbox (
    id          TEXT PRIMARY KEY,
    kind        TEXT NOT NULL,
    queue       TEXT NOT NULL,
    mailbox_id  TEXT NOT NULL,
    ticket_id   TEXT NOT NULL,
    subject_id  TEXT NOT NULL,
    contact_id  TEXT NOT NULL,
    recipient   TEXT NOT NULL,
    template    TEXT NOT NULL,
    trust       BIGINT NOT NULL,
    message_id  TEXT NOT NULL,
    bounce_token TEXT NOT NULL, -- of its envelope sender; empty: the mailbox's own address
    created_at  BIGINT NOT NULL,
    state       TEXT NOT NULL,
    attempt     BIGINT NOT NULL,
    owner       TEXT NOT NULL,
    lease_until BIGINT NOT NULL,
    epoch       BIGINT NOT NULL,
    next_try    BIGINT NOT NULL,
    last_error  TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    wording     TEXT NOT NULL,
    unknowns    BIGINT NOT NULL,
    done_at     BIGINT NOT NULL,
    told        TEXT NOT NULL DEFAULT '', -- the state that agents have been told of: deferred or failed
    answer      TEXT NOT NULL DEFAULT '', -- of the server that took the mail
    arrived     BOOLEAN NOT NULL DEFAULT FALSE -- the mail was seen in the inbox that it is for
);
-- On what does not change while a row is worked on: claiming it then touches no index.
CREATE INDEX outbox_open ON outbox (queue, next_try, id) WHERE done_at = 0;
CREATE INDEX outbox_message_id ON outbox (mailbox_id, message_id);
CREATE INDEX outbox_ticket ON outbox (ticket_id);
-- How much automatic mail was decided on in each hour (Unix time / 3600), because of what came in.
CREATE TABLE automatic_hours (
    hour  BIGINT PRIMARY KEY,
    count BIGINT NOT NULL
);
-- Queues whose rows wait.
CREATE TABLE pauses (
    queue  TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    since  BIGINT NOT NULL
);

CREATE TABLE templates (
    version TEXT PRIMARY KEY,
    language TEXT NOT NULL DEFAULT '', -- that it is in; empty: nobody knows
    subject TEXT NOT NULL,
    body    TEXT NOT NULL
);
-- What mails of ours bounced: a server that took one (outbox.state is sent) has told so later.
CREATE TABLE bounces (
    message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    recipient  TEXT NOT NULL,
    reason     TEXT NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (message_id, recipient)
);
-- The envelope senders of our mail, each for one recipient.
CREATE TABLE bounce_tokens (
    token      TEXT PRIMARY KEY,
    mailbox_id TEXT NOT NULL,
    email      TEXT NOT NULL
);
-- Addresses that get no automatic mail.
CREATE TABLE suppressions (
    email  TEXT NOT NULL,
    reason TEXT NOT NULL, -- bounced or complained
    status TEXT NOT NULL,
    at     BIGINT NOT NULL,
    PRIMARY KEY (email, reason)
);
CREATE TABLE welcomes (
    email TEXT PRIMARY KEY,
    at    BIGINT NOT NULL
);
CREATE TABLE passwords (
    contact_id  TEXT PRIMARY KEY REFERENCES contacts (id) ON DELETE CASCADE,
    hash        TEXT NOT NULL,
    must_change BOOLEAN NOT NULL,
    changed_at  BIGINT NOT NULL
);
CREATE TABLE one_time (
    hash       BLOB PRIMARY KEY,
    purpose    TEXT NOT NULL,
    contact_id TEXT NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
    email      TEXT NOT NULL,
    code       TEXT NOT NULL, -- the hash of the code that does the same; empty: none does
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT NOT NULL
);
CREATE INDEX one_time_contact ON one_time (contact_id);
-- People who want to register, until they have confirmed their address.
CREATE TABLE registrations (
    hash       BLOB PRIMARY KEY, -- of the secret of the link that was mailed
    email      TEXT NOT NULL,
    name       TEXT NOT NULL,
    company    TEXT NOT NULL, -- what they call it: a hint for agents
    password   TEXT NOT NULL, -- its hash; empty: they want none
    language   TEXT NOT NULL,
    time_zone  TEXT NOT NULL,
    browser    TEXT NOT NULL, -- a secret of the one in which this was typed
    consent    TEXT NOT NULL, -- what they agreed to, to be recorded
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
-- Public keys that people sign in with.
CREATE TABLE passkeys (
    id         TEXT PRIMARY KEY, -- the credential's
    contact_id TEXT NOT NULL,
    name       TEXT NOT NULL,
    data       TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at    BIGINT NOT NULL
);
CREATE INDEX passkeys_contact ON passkeys (contact_id);
-- What people agreed to, and took back. Rows are only added.
CREATE TABLE consents (
    id         TEXT PRIMARY KEY,
    contact_id TEXT NOT NULL,
    purpose    TEXT NOT NULL,
    given      BOOLEAN NOT NULL,
    language   TEXT NOT NULL,
    version    TEXT NOT NULL,
    channel    TEXT NOT NULL,
    ip         TEXT NOT NULL,
    actor      TEXT NOT NULL,
    at         BIGINT NOT NULL
);
CREATE INDEX consents_contact ON consents (contact_id, purpose, id);
CREATE TABLE consent_texts (
    version TEXT PRIMARY KEY,
    text    TEXT NOT NULL,
    label   TEXT NOT NULL
);
-- Who was invited, and when last.
CREATE TABLE invitations (
    contact_id TEXT PRIMARY KEY REFERENCES contacts (id) ON DELETE CASCADE,
    at         BIGINT NOT NULL
);
CREATE TABLE sessions (
    token      TEXT PRIMARY KEY,
    contact_id TEXT NOT NULL,
    data       BLOB NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_contact ON sessions (contact_id);
CREATE TABLE attempts (
    key    TEXT PRIMARY KEY,
    count  BIGINT NOT NULL,
    until  BIGINT NOT NULL
);

-- What was done, by whom. Each hash covers the entry before it.
CREATE TABLE audit (
    position BIGINT PRIMARY KEY,
    id       TEXT NOT NULL UNIQUE,
    at       BIGINT NOT NULL,
    actor    TEXT NOT NULL,
    action   TEXT NOT NULL,
    subject  TEXT NOT NULL,
    changes  TEXT NOT NULL,
    hash     TEXT NOT NULL
);
CREATE INDEX audit_subject ON audit (subject, position);
CREATE TABLE audit_end (
    position BIGINT NOT NULL,
    hash     TEXT NOT NULL
);
INSERT INTO audit_end (position, hash) VALUES (0, '');

-- The knowledge base.
CREATE TABLE categories (
    key      TEXT PRIMARY KEY,
    position BIGINT NOT NULL,
    names    TEXT NOT NULL
);
CREATE TABLE articles (
    id         TEXT PRIMARY KEY,
    slug       TEXT NOT NULL UNIQUE,
    category   TEXT NOT NULL,
    position   BIGINT NOT NULL,
    private    BOOLEAN NOT NULL,
    draft      BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE TABLE article_texts (
    article_id TEXT NOT NULL REFERENCES articles (id) ON DELETE CASCADE,
    language   TEXT NOT NULL,
    title      TEXT NOT NULL,
    summary    TEXT NOT NULL,
    folded     TEXT NOT NULL, -- what it is searched by
    said       TEXT NOT NULL, -- what it says, without the marks of Markdown
    updated_at BIGINT NOT NULL,
    body       TEXT NOT NULL,
    PRIMARY KEY (article_id, language)
);
CREATE TABLE article_pictures (
    id         TEXT PRIMARY KEY,
    article_id TEXT NOT NULL REFERENCES articles (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    size       BIGINT NOT NULL,
    sha256     TEXT NOT NULL
);
CREATE UNIQUE INDEX article_pictures_name ON article_pictures (article_id, name);
CREATE TABLE article_votes (
    article_id TEXT NOT NULL REFERENCES articles (id) ON DELETE CASCADE,
    voter      TEXT NOT NULL, -- a contact, or the hash of a random number that their browser keeps
    useful     BOOLEAN NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (article_id, voter)
);

-- +goose Down
DROP TABLE article_votes;
DROP TABLE article_pictures;
DROP TABLE article_texts;
DROP TABLE articles;
DROP TABLE categories;
DROP TABLE audit_end;
DROP TABLE audit;
DROP TABLE attempts;
DROP TABLE sessions;
DROP TABLE invitations;
DROP TABLE consent_texts;
DROP TABLE consents;
DROP TABLE passkeys;
DROP TABLE registrations;
DROP TABLE one_time;
DROP TABLE passwords;
DROP TABLE welcomes;
DROP TABLE suppressions;
DROP TABLE bounces;
DROP TABLE bounce_tokens;
DROP TABLE templates;
DROP TABLE outbox;
DROP TABLE events;
DROP TABLE followed;
DROP TABLE places;
DROP TABLE automatic_hours;
DROP TABLE pauses;
DROP TABLE reply_tokens;
DROP TABLE orphans;
DROP TABLE message_ids;
DROP TABLE attachments;
DROP TABLE messages;
DROP TABLE conversations;
DROP TABLE ratings;
DROP TABLE ticket_views;
DROP TABLE participants;
DROP TABLE tickets;
DROP TABLE ticket_number;
DROP TABLE sent_copies;
DROP TABLE fingerprints;
DROP TABLE raws;
DROP TABLE ledger;
DROP TABLE settings;
DROP TABLE tokens;
DROP TABLE forms;
DROP TABLE agent_addresses;
DROP TABLE agents;
DROP TABLE oauth_grants;
DROP TABLE leases;
DROP TABLE folders;
DROP TABLE mailboxes;
DROP TABLE contact_list_members;
DROP TABLE contact_lists;
DROP TABLE contact_companies;
DROP TABLE contact_addresses;
DROP TABLE contacts;
DROP TABLE company_domains;
DROP TABLE companies;
