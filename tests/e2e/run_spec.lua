-- The real program on real sockets: serve, judge, reload, stop.
package.path = "tests/e2e/?.lua;" .. package.path
local host = require "host"

-- A rulebook that judges one event by a threshold, and keeps a count across reloads.
local function rules(limit, version)
  return ([[
local host = require "umpire"
local book = { api = 1, version = %d }
local count = 0
function book.legal(client, event)
  if event.name ~= "step" then return false, "unknown event" end
  if event.data > %d then return false, "too far" end
  return true
end
function book.execute(client, event)
  count = count + 1
  client.data.steps = (client.data.steps or 0) + 1
  host.notify(client, "count", { all = count, mine = client.data.steps })
end
function book.save() return { count = count } end
function book.load(saved) count = saved and saved.count or 0 end
return book
]]):format(version or 1, limit)
end

describe("umpire run", function()
  after_each(host.cleanup)

  it("judges a client's events and tells it what came of them", function()
    local h = host.start { rules = rules(1) }
    local ann = host.client(h.port)
    assert.is_true(ann:register())
    assert.equal("LEGAL", (ann:event { step = 1 }))
    assert.same({ count = { all = 1, mine = 1 } }, ann:notify())
    local verdict, reason = ann:event { step = 2 }
    assert.equal("ILLEGAL", verdict)
    assert.equal("too far", reason)
    assert.equal(0, h:stop())
  end)

  it("answers an event of somebody who never registered", function()
    local h = host.start { rules = rules(1) }
    local bob = host.client(h.port)
    bob:send { method = "EVENT", cuuid = "nobody", euuid = "e1", event_data = { step = 1 }, timestamp = "2014-11-09 00:06:37" }
    assert.equal("BYE EVENT", bob:receive(function() return true end).method)
    assert.equal(0, h:stop())
  end)

  it("judges a repeated event once and answers each copy", function()
    local h = host.start { rules = rules(1) }
    local ann = host.client(h.port)
    assert.is_true(ann:register())
    for _ = 1, 5 do assert.equal("LEGAL", (ann:event({ step = 1 }, "the-same-event"))) end
    assert.equal("LEGAL", (ann:event { step = 1 }))
    assert.equal(1, ann:notify().count.all)
    assert.equal(2, ann:notify().count.all)
    assert.equal(2, h:status().engine.legal)
    assert.equal(0, h:stop())
  end)

  it("reloads on SIGHUP: another verdict without another registration, and nothing forgotten", function()
    local h = host.start { rules = rules(1) }
    local ann = host.client(h.port)
    assert.is_true(ann:register())
    assert.equal("LEGAL", (ann:event { step = 1 }))
    assert.equal("ILLEGAL", (ann:event({ step = 2 }, "judged-before")))
    h:rewrite(rules(2, 2))
    h:signal "HUP"
    h:wait_log "^reloaded .*rules.lua, version 2, hash %x+, paused for [%d.]+ ms %(SIGHUP%)"
    assert.equal("LEGAL", (ann:event { step = 2 }))
    assert.equal(1, ann:notify().count.all)
    assert.same({ all = 2, mine = 2 }, ann:notify().count)
    assert.equal("ILLEGAL", (ann:event({ step = 2 }, "judged-before"))) -- the verdict of before, not a new one
    assert.equal(0, h:stop())
  end)

  it("refuses a broken rulebook on SIGHUP, says where, and goes on with the old one", function()
    local h = host.start { rules = rules(1) }
    local ann = host.client(h.port)
    assert.is_true(ann:register())
    h:rewrite "return {\n  api = 1,\n  legal = function( end }\n"
    h:signal "HUP"
    assert.truthy(h:wait_log "^error reload: refused %(SIGHUP%).*rules%.lua:3:")
    assert.equal("LEGAL", (ann:event { step = 1 }))
    assert.equal("ILLEGAL", (ann:event { step = 2 }))
    assert.equal(1, h:status().rulebook.refused)
    assert.equal(0, h:stop())
  end)

  it("reloads when a file is saved, with --watch, however the editor writes it", function()
    local h = host.start { rules = rules(1), flags = { "--watch" } }
    local ann = host.client(h.port)
    assert.is_true(ann:register())
    assert.equal("ILLEGAL", (ann:event { step = 2 }))
    h:rewrite(rules(2, 2)) -- renamed over
    h:wait_log "^reloaded .*version 2.*%(a file changed%)"
    assert.equal("LEGAL", (ann:event { step = 2 }))
    host.write(h.rulebook, rules(3, 3)) -- written in place, after the file it was is gone
    h:wait_log "^reloaded .*version 3.*%(a file changed%)"
    assert.equal("LEGAL", (ann:event { step = 3 }))
    host.write(h.folder .. "/notes.txt", "nothing to do with rules")
    host.write(h.rulebook, "this is no Lua")
    h:wait_log "refused %(a file changed%)"
    assert.equal("LEGAL", (ann:event { step = 3 }))
    assert.equal(0, h:stop())
  end)

  it("serves two listeners, IPv4 and IPv6, as one world", function()
    local h = host.start { rules = rules(9), listen = { "neteria://127.0.0.1:0", "neteria://[::1]:0?hold_ms=0" } }
    assert.equal(2, #h.ports)
    local four, six = host.client(h.ports[1]), host.client(h.ports[2], "::1")
    assert.is_true(four:register())
    assert.is_true(six:register())
    assert.equal("LEGAL", (four:event { step = 1 }))
    assert.equal("LEGAL", (six:event { step = 1 }))
    assert.equal(2, six:notify().count.all)
    assert.equal(2, h:status().clients)
    assert.equal(0, h:stop())
  end)

  it("keeps the limit of a listen URL", function()
    local h = host.start { rules = rules(1), listen = { "neteria://127.0.0.1:0?limit=1" } }
    assert.is_true(host.client(h.port):register())
    local bob = host.client(h.port)
    bob:send { method = "REGISTER", cuuid = bob.cuuid }
    assert.equal("BYE REGISTER", bob:receive(function(m) return m.method:find "REGISTER" end).method)
    assert.equal(0, h:stop())
  end)

  it("listens where the flags say, else the environment, else the rulebook", function()
    local book = rules(1):gsub("api = 1,", 'api = 1, listen = { "neteria://127.0.0.1:0?limit=7", "neteria://127.0.0.1:0" },')
    local h = host.start { rules = book, listen = {} }
    assert.equal(2, #h.ports)
    assert.equal(0, h:stop())
    local env = { UMPIRE_LISTEN = "neteria://127.0.0.1:0?versions=1.0,1.1,neteria://127.0.0.1:0,neteria://[::1]:0" }
    h = host.start { rules = book, listen = {}, env = env }
    assert.equal(3, #h.ports)
    assert.equal(0, h:stop())
    h = host.start { rules = book, env = env }
    assert.equal(1, #h.ports)
    assert.equal(0, h:stop())
  end)

  it("drains on SIGTERM: disconnect is called, what save returns is kept, and read again", function()
    local folder = host.folder()
    local kept = folder .. "/world"
    local h = host.start { rules = rules(1), flags = { "--save", kept } }
    local ann = host.client(h.port)
    assert.is_true(ann:register())
    assert.equal("LEGAL", (ann:event { step = 1 }))
    assert.equal(0, h:stop())
    assert.equal("UMPSAVE\1", host.read(kept):sub(1, 8))
    h = host.start { rules = rules(1), flags = { "--save", kept } }
    ann = host.client(h.port)
    assert.is_true(ann:register())
    assert.equal("LEGAL", (ann:event { step = 1 }))
    assert.equal(2, ann:notify().count.all)
    assert.equal(0, h:stop())
    local bytes = host.read(kept)
    host.write(kept, bytes:sub(1, -2) .. string.char(bytes:byte(-1) ~ 1)) -- one flipped bit
    h = host.start { rules = rules(1), flags = { "--save", kept }, ready = false }
    assert.equal(1, h:wait_exit())
    assert.truthy(table.concat(h.lines, "\n"):find("damaged.*move it away"))
  end)

  it("asks at the start whether it can save at the end", function()
    local folder = host.folder()
    for path, says in pairs {
      [folder .. "/none/world"] = "cannot write to .*/none/: No such file or directory; %-%-save needs a folder",
      [folder] = "it is no file; %-%-save needs the name of one",
    } do
      local h = host.start { rules = rules(1), flags = { "--save", path }, ready = false }
      assert.equal(1, h:wait_exit())
      assert.truthy(table.concat(h.lines, "\n"):find(says), table.concat(h.lines, "\n"))
    end
  end)

  it("ends at once on a second signal", function()
    local stubborn = rules(1):gsub("function book.save", [[
function book.disconnect() local x = 0; while true do x = x + 1 end end
function book.save]])
    local h = host.start { rules = stubborn, flags = { "--rule-time", "3s", "--rule-warn", "3s" } }
    assert.is_true(host.client(h.port):register())
    h:signal "INT"
    h:wait_log "^stopping %(SIGINT%)"
    h:signal "INT"
    assert.equal(-2, h:wait_exit(2)) -- it died of SIGINT
  end)

  it("ends on SIGINT as on SIGTERM", function()
    local h = host.start { rules = rules(1) }
    h:signal "INT"
    assert.equal(0, h:wait_exit())
    h:wait_log "^stopped$"
  end)

  it("exits 3 when a port is taken, and says what to do", function()
    local h = host.start { rules = rules(1) }
    local other = host.start { rules = rules(1), listen = { "neteria://127.0.0.1:" .. h.port }, ready = false }
    assert.equal(3, other:wait_exit())
    assert.truthy(table.concat(other.lines, "\n"):find("cannot bind neteria://127.0.0.1:" .. h.port, 1, true))
    assert.truthy(table.concat(other.lines, "\n"):find "choose another port with %-%-listen")
    local url = "neteria://127.0.0.1:" .. h.port + 1
    other = host.start { rules = rules(1), listen = { url, url }, ready = false }
    assert.equal(3, other:wait_exit())
    assert.truthy(table.concat(other.lines, "\n"):find "cannot bind .*; it is listed twice")
    assert.equal(0, h:stop())
  end)

  it("exits 1 on a rulebook that is wrong, with file and line", function()
    local h = host.start { rules = "return {\n  api = 1,\n  legel = function() end,\n}\n", ready = false }
    assert.equal(1, h:wait_exit())
    assert.truthy(table.concat(h.lines, "\n"):find "legel")
    h = host.start { rulebook = "/nonexistent/rules.lua", ready = false }
    assert.equal(1, h:wait_exit())
    assert.truthy(table.concat(h.lines, "\n"):find "/nonexistent/rules.lua")
    h = host.start { rules = [[return { api = 1, listen = { "tcp://x:1" } }]], listen = {}, ready = false }
    assert.equal(1, h:wait_exit())
    assert.truthy(table.concat(h.lines, "\n"):find 'unknown protocol "tcp"')
  end)

  it("logs JSON when asked to", function()
    local h = host.start { rules = rules(1), flags = { "--log-format", "json" }, ready = false }
    assert.truthy(h:wait_log '^{"time":"%d+.*"level":"info","cause":"listening","text":"listening neteria://127.0.0.1:%d+"}$')
    h:wait_log '"text":"ready"}$'
    assert.equal(0, h:stop())
  end)

  it("outlives datagrams that are nonsense", function()
    local h = host.start { rules = rules(1) }
    local ann, bad = host.client(h.port), host.client(h.port)
    assert.is_true(ann:register())
    for _, text in ipairs { "", "\0", "{", ("["):rep(9000), '{"method":"EVENT"}', "\27[2J\nready", ("x"):rep(20000) } do
      bad:send(text)
    end
    assert.equal("LEGAL", (ann:event { step = 1 }))
    assert.equal(0, h:stop())
    for _, line in ipairs(h.lines) do assert.is_nil(line:find "%c") end
  end)
end)
