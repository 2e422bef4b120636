-- Record and replay on real sockets: what was played is played again, in the same words under the same rules, and with exactly
-- the differences that a change makes.
package.path = "tests/e2e/?.lua;" .. package.path
local cjson = require "cjson"
local guests = require "guests"
local host = require "host"
local pygase = require "umpire.client.pygase"
local socket = require "socket"

local ARENA = host.read "rules/arena.lua"

-- The arena with another speed limit, and nothing else.
local function slower(text)
  local changed, n = text:gsub("local STEPS_PER_SECOND, STEPS_AT_ONCE = 10, 5", "local STEPS_PER_SECOND, STEPS_AT_ONCE = 10, 1")
  assert.equal(1, n)
  return changed
end

local function replay(...)
  local code, out, err = host.run { "replay", ... }
  return code, out, err
end

local function sum_of(out) -- the last line of --json
  return cjson.decode(out:match "([^\n]+)\n$")
end

-- A client that steps to and fro, so that what is legal depends on nothing but the pace. Returns the verdicts.
local function pace(client, steps)
  local verdicts, dx = {}, 1
  for i = 1, steps do
    local verdict, reason = client:event { move = { dx, 0 } }
    if verdict == "LEGAL" then dx = -dx end
    if verdict ~= "LEGAL" and reason ~= "too fast" then dx = -dx end
    verdicts[i] = verdict
  end
  return verdicts
end

local function count(list, what)
  local n = 0
  for _, v in ipairs(list) do if v == what then n = n + 1 end end
  return n
end

-- A spec that passes, and that fails when another verdict is expected.
local function becomes_a_spec(file)
  local code, spec, err = replay(file, "--spec")
  assert.equal(0, code, err)
  local path = host.write(host.folder() .. "/play_spec.lua", spec)
  local out
  code, out, err = host.run({ "test", path }, { UMPIRE_PRELOAD = os.getenv "UMPIRE_PRELOAD" })
  assert.equal(0, code, out .. err)
  local other, n = spec:gsub('(event%(%d+, )"legal"', '%1"illegal"')
  assert.is_true(n > 0)
  host.write(path, other)
  code, out, err = host.run({ "test", path }, { UMPIRE_PRELOAD = os.getenv "UMPIRE_PRELOAD" })
  assert.equal(1, code, out .. err)
  assert.truthy((out .. err):find("was illegal, and is legal", 1, true), out .. err)
end

describe("umpire run --record and umpire replay", function()
  after_each(function()
    guests.leave()
    host.cleanup()
  end)

  it("plays the arena again without a difference, and finds what another speed limit changes", function()
    local file = host.folder() .. "/play.rec"
    local h = host.start { rules = ARENA, flags = { "--record", file } }
    local ann, bob = host.client(h.port), host.client(h.port)
    assert.is_true(ann:register())
    assert.is_true(bob:register())
    local verdicts = pace(ann, 8)
    assert.equal("ILLEGAL", (bob:event { move = { 1, 1 } }))
    assert.equal("ILLEGAL", (bob:event "dance"))
    assert.equal(0, (h:ask "reload"))
    local after = pace(ann, 3)
    assert.truthy(h:status().recorded:find("^" .. file:gsub("%p", "%%%0") .. ": %d+ events, %d+ bytes, 0 entries lost$"))
    assert.equal(0, h:stop())

    local code, out, err = replay(file, h.rulebook)
    assert.equal(0, code, out .. err)
    assert.truthy(out:find("\nno difference\n", 1, true), out)
    assert.truthy(out:find("13 verdicts", 1, true), out)
    assert.truthy(out:find(", the same", 1, true), out)
    assert.equal(0, (replay(file))) -- the rulebook that was recorded
    becomes_a_spec(file)

    local changed = host.write(host.folder() .. "/slower.lua", slower(ARENA))
    code, out = replay(file, changed, "--json", "--limit", "1000")
    assert.equal(1, code)
    local sum, wrong = sum_of(out), 0
    for line in out:gmatch "[^\n]+" do
      local d = cjson.decode(line)
      if d.difference == "verdict" then
        assert.same({ "move", "legal", 'illegal "too fast"' }, { d.name, d.was, d.is })
        wrong = wrong + 1
      end
    end
    -- one step at once instead of five: of those that were legal at first, all but one are too fast now
    assert.is_true(count(verdicts, "LEGAL") >= 5)
    assert.is_true(wrong >= 4 and wrong <= count(verdicts, "LEGAL") + count(after, "LEGAL") - 1, out)
    assert.equal(13, sum.verdicts)
    local verdict_rows = 0
    for _, row in ipairs(sum.sum) do
      if row.difference == "verdict" then verdict_rows = verdict_rows + row.n end
      assert.not_equal("connect", row.difference)
    end
    assert.equal(wrong, verdict_rows)

    -- what is meant is accepted
    code = replay(file, changed, "--accept", "verdict:move", "--accept", "notify:moved", "--accept", "reason")
    local rest = replay(file, changed, "--accept", "verdict:dance")
    assert.equal(1, rest)
    local accepts = host.write(host.folder() .. "/accepts", "verdict:move # slower now\n\n notify:*\nreason:move\n")
    assert.equal(code, (replay(file, changed, "--accept-file", accepts)))
    assert.equal(0, code)
  end)

  it("plays the tavern again: every protocol, log-ins, kicks, channels", function()
    local file = host.folder() .. "/play.rec"
    local h = host.start {
      rulebook = "rules/tavern.lua", flags = { "--record", file },
      listen = { "neteria://127.0.0.1:0", "laneya://127.0.0.1:0", "joint://127.0.0.1:0", "pymmorpg://127.0.0.1:0" },
    }
    local all = guests.company { neteria = h.ports[1], laneya = h.ports[2], joint = h.ports[3], web = h.ports[3],
      pymmorpg = h.ports[4] }
    for _, who in ipairs(guests.KINDS) do
      all[who].step(0, -1)
      all[who].say("this is " .. who)
      all[who].say "   "
    end
    assert.equal(0, (h:ask "reload"))
    assert.is_true(all.web.say "still here")
    all.web:leave()
    assert.is_true(all.joint:hears "left web")
    assert.is_true(all.laneya.ask("logout", {}))
    assert.equal(0, h:stop())

    local code, out, err = replay(file, "rules/tavern.lua")
    assert.equal(0, code, out .. err)
    assert.truthy(out:find("\nno difference\n", 1, true), out)
    becomes_a_spec(file)
    local text = host.read "rules/tavern.lua"
    local changed, n = text:gsub('"say something"', '"say something clever"')
    assert.equal(1, n)
    code, out = replay(file, host.write(host.folder() .. "/tavern.lua", changed), "--json", "--limit", "1000")
    assert.equal(1, code)
    for line in out:gmatch "[^\n]+" do
      local d = cjson.decode(line)
      assert.is_true(d.sum ~= nil or (d.was .. d.is .. (d.name or "")):find "say something" ~= nil, line)
    end
    for _, row in ipairs(sum_of(out).sum) do assert.not_equal("verdict", row.difference) end
  end)

  it("plays a game with replicated state again: PyGaSe, and a subscriber of another protocol", function()
    local file = host.folder() .. "/play.rec"
    local h = host.start {
      rulebook = "rules/tag.lua", flags = { "--record", file },
      listen = { "pygase://127.0.0.1:0", "neteria://127.0.0.1:0" },
    }
    local udp = assert(socket.udp4())
    assert(udp:setpeername("127.0.0.1", h.ports[1]))
    udp:settimeout(0)
    local wire = pygase.new { send = function(bytes) udp:send(bytes) end }
    local function pump(done)
      local give_up = socket.gettime() + 10
      repeat
        socket.select({ udp }, nil, 0.01)
        local bytes = udp:receive()
        while bytes do
          wire:receive(bytes, socket.gettime())
          bytes = udp:receive()
        end
        local due = wire:deadline()
        if due and due <= socket.gettime() then wire:poll(socket.gettime()) end
      until done() or socket.gettime() > give_up
      assert.is_true(done())
    end
    wire:connect(socket.gettime())
    pump(function() return wire.time_order ~= 0 end)
    wire:event("JOIN", { "pia" })
    local function count_players()
      local n = 0
      for _ in pairs(wire.state.players or {}) do n = n + 1 end
      return n
    end
    pump(function() return count_players() == 1 end)
    local ann = host.client(h.ports[2])
    assert.is_true(ann:register())
    assert.equal("LEGAL", (ann:event { join = "ann" }))
    pump(function() return count_players() == 2 end)
    assert.equal(0, h:stop())
    udp:close()
    local code, out = replay(file)
    assert.equal(0, code, out)
    assert.truthy(out:find("\nno difference\n", 1, true), out)
    becomes_a_spec(file)
  end)

  it("knows what chance gave, ids, clocks and timers, so that the same rulebook does the same", function()
    local file = host.folder() .. "/play.rec"
    local h = host.start { rules = [[
      local host = require "umpire"
      local game, beats = { api = 1, tick_rate = 50 }, 0
      function game.connect(client)
        host.broadcast("came", { client.id, host.random(1000000), math.random(1000000), host.uuid() })
        host.after(0.05, function()
          if not client.gone then host.notify(client, "later", host.now() - client.data.since) end
        end)
        client.data.since = host.now()
      end
      function game.tick() beats = beats + 1; if beats % 5 == 0 then host.broadcast("beat", { beats, host.random(6) }) end end
      function game.execute(client, event)
        local all = {}
        for k, v in pairs(event.data) do all[#all + 1] = k .. v end
        host.broadcast("list", { all, client.id, event.id, os.time(), host.random() })
      end
      function game.save() return beats end
      function game.load(saved)
        beats = saved or 0
        host.every(0.03, function() host.broadcast("every", host.random(100)) end)
      end
      return game]], flags = { "--record", file } }
    local ann, bob = host.client(h.port), host.client(h.port)
    assert.is_true(ann:register())
    for i = 1, 10 do
      assert.equal("LEGAL", (ann:event { list = { zoe = i, abe = 2, kim = 3, lou = 4, max = 5, ida = 6 } }))
      socket.sleep(0.03)
      if i == 5 then assert.is_true(bob:register()) end
      if i == 7 then assert.equal(0, (h:ask "reload")) end
    end
    assert.equal(0, h:stop())
    local code, out = replay(file, h.rulebook)
    assert.equal(0, code, out)
    assert.is_true(tonumber(out:match "(%d+) notifies compared") > 20, out)
  end)

  it("replays log-ins as they were, without the password", function()
    local file = host.folder() .. "/play.rec"
    local h = host.start { rulebook = "rules/gate.lua", flags = { "--record", file } }
    local said
    for _, line in ipairs(h.lines) do said = said or line:match "^recording to .*$" end
    assert.truthy(said:find("no addresses, no passwords", 1, true))
    local ann = host.client(h.port)
    assert.is_true(ann:register())
    local function login(password)
      ann:send { method = "AUTH", cuuid = ann.cuuid, euuid = "login" .. password, priority = "normal", retry = 0,
        event_data = { name = "ann", password = password } }
    end
    login "swordfish"
    assert.equal("LEGAL", (ann:receive(function(m) return m.euuid == "loginswordfish" end) or {}).method)
    assert.equal("LEGAL", (ann:event { say = { text = "hello" } }))
    assert.equal(0, h:stop())
    local bytes = host.read(file)
    assert.truthy(bytes:find("hello", 1, true))
    assert.is_nil(bytes:find('password', 1, true))
    assert.is_nil(bytes:find("127.0.0.1", 1, true))
    assert.is_nil(bytes:find("\127\0\0\1", 1, true))
    local code, out = replay(file)
    assert.equal(0, code, out)
    assert.truthy(out:find("1 log-in as recorded", 1, true), out)
  end)

  it("reads what a killed host has written, up to its last whole block", function()
    local file = host.folder() .. "/play.rec"
    local h = host.start { rules = ARENA, flags = { "--record", file } }
    local ann = host.client(h.port)
    assert.is_true(ann:register())
    for _ = 1, 10 do ann:event { move = { 1, 1 } } end
    local seen = 0
    repeat seen = seen + 1; ann:event "tick" until #host.read(file) > 1000 or seen > 10000
    h:signal "KILL"
    assert.equal(-9, h:wait_exit())
    local code, out, err = replay(file)
    assert.equal(0, code, out .. err)
    local whole = host.read(file)
    for _, cut in ipairs { #whole - 1, #whole - 7, #whole // 2 } do
      host.write(file, whole:sub(1, cut))
      code, out, err = replay(file)
      if code == 2 then
        assert.truthy(err:find("holds no snapshot", 1, true), err)
      else
        assert.equal(0, code, out .. err)
        assert.truthy(err:find("not all there", 1, true), err)
      end
    end
    host.write(file, "something else")
    code, out, err = replay(file)
    assert.same({ 2, "" }, { code, out })
    assert.truthy(err:find("is no recording of this version", 1, true), err)
  end)

  it("goes round: the latest is kept, each file begins anew, and together they are one recording", function()
    local folder = host.folder()
    local file = folder .. "/play.rec"
    local talk = ("x"):rep(4000)
    local h = host.start { rules = [[
      local n = 0
      return { api = 1,
        execute = function(client, event) n = n + 1; require "umpire".notify(client, "n", { n, #event.data }) end,
        save = function() return n end, load = function(saved) n = saved or 0 end }]],
      flags = { "--record", file, "--record-limit", "1M", "--window-per-client", "100000" } }
    local ann = host.client(h.port)
    assert.is_true(ann:register())
    local function there(name) local f = io.open(name); if f then f:close() end; return f ~= nil end
    local sent = 0
    repeat
      assert.equal("LEGAL", (ann:event { talk = talk }))
      sent = sent + 1
    until there(file .. ".3") and sent % 50 == 0 or sent > 3000
    assert.is_true(sent > 200 and sent <= 3000)
    assert.equal(0, h:stop())
    assert.is_false(there(file .. ".4"))
    local total = 0
    for _, name in ipairs { file, file .. ".1", file .. ".2", file .. ".3" } do
      local size = #host.read(name)
      assert.is_true(size < 600 * 1024, name .. " has " .. size)
      total = total + size
    end
    local code, out, err = replay(file, h.rulebook, "--json")
    assert.equal(0, code, out .. err)
    local all = sum_of(out).verdicts
    code, out = replay(file .. ".1", h.rulebook, "--json") -- those before it, too
    assert.equal(0, code, out)
    assert.is_true(sum_of(out).verdicts < all)
    os.remove(file .. ".2") -- then what is older does not lead up to it any more
    code, out = replay(file, h.rulebook, "--json")
    assert.equal(0, code, out)
    assert.is_true(sum_of(out).verdicts < all)
  end)

  it("goes on serving when the disk takes nothing more, and says so", function()
    local file = host.folder() .. "/play.rec"
    local h = host.start { rules = ARENA, flags = { "--record", file }, prefix = { "prlimit", "--fsize=20000" } }
    local ann = host.client(h.port)
    assert.is_true(ann:register())
    repeat socket.sleep(0.02) until #host.read(file) > 8 -- what is written is written every 100 ms
    for _ = 1, 200 do ann:event(("x"):rep(300)) end
    h:wait_log "cannot write .*the host goes on"
    assert.equal("ILLEGAL", (ann:event "still there"))
    assert.equal(0, h:stop())
    local code, out = replay(file, h.rulebook)
    assert.equal(0, code, out)
  end)

  it("does not start when it cannot record at all", function()
    local h = host.start { rules = ARENA, flags = { "--record", "/nowhere/play.rec" }, ready = false }
    assert.equal(1, h:wait_exit())
    local said = table.concat(h.lines, "\n")
    assert.truthy(said:find("cannot record to /nowhere/play.rec", 1, true), said)
  end)

  it("shows where a changed rulebook fails", function()
    local file = host.folder() .. "/play.rec"
    local h = host.start { rules = "return { api = 1 }", flags = { "--record", file } }
    local ann = host.client(h.port)
    assert.is_true(ann:register())
    for _, name in ipairs { "one", "two", "one", "two", "\27[31mred" } do assert.equal("LEGAL", (ann:event { [name] = 1 })) end
    assert.equal(0, h:stop())
    local changed = host.write(host.folder() .. "/broken.lua", "return { api = 1, legal = function(_, event)\n"
      .. "  if event.name == 'one' then error 'first' end\n  if event.name == 'two' then error 'second' end\n"
      .. "  return false, 'no'\nend }\n")
    local code, out = replay(file, changed)
    assert.equal(1, code)
    local said = {}
    for line in out:gmatch "verdict: ([^\n]+)" do said[#said + 1] = line:gsub("%(.*broken.lua", "(broken.lua") end
    assert.same({ 'legal -> internal "internal" (broken.lua:2: first)', 'legal -> internal "internal" (broken.lua:3: second)',
      'legal -> internal "internal" (broken.lua:2: first)', 'legal -> internal "internal" (broken.lua:3: second)',
      'legal -> illegal "no"' }, said)
    assert.is_nil(out:find("\27", 1, true)) -- no terminal is told what to do
    assert.truthy(out:find("?[31mred", 1, true))
  end)

  it("is told of mistakes", function()
    local function usage(says, ...)
      local code, _, err = replay(...)
      assert.equal(2, code)
      assert.truthy(err:find(says, 1, true), err)
    end
    usage("FILE [RULEBOOK] is missing")
    usage("cannot read /nowhere", "/nowhere")
    usage('"verdicts" is nothing that can be accepted', "/nowhere", "--accept", "verdicts")
    local code, _, err = host.run { "run", "rules/arena.lua", "--gate", "last:many" }
    assert.equal(2, code)
    assert.truthy(err:find("N is a number of events", 1, true), err)
  end)
end)

describe("umpire run --gate", function()
  after_each(host.cleanup)

  local function arena_with_gate(gate)
    local h = host.start { rules = ARENA, flags = { "--gate", gate } }
    local ann = host.client(h.port)
    assert.is_true(ann:register())
    return h, ann
  end

  it("refuses a rulebook that judges the last events differently, says which, and lets --force pass", function()
    local h, ann = arena_with_gate "last:1000"
    local verdicts = pace(ann, 8)
    assert.is_true(count(verdicts, "LEGAL") >= 5)
    assert.equal(0, (h:ask "reload")) -- the same
    h:rewrite(slower(ARENA))
    local code, _, err = h:ask "reload"
    assert.equal(1, code)
    assert.truthy(err:find("judges recorded play differently", 1, true), err)
    assert.truthy(err:find('verdict: legal -> illegal "too fast"', 1, true), err)
    assert.truthy(err:find("umpire reload --force", 1, true), err)
    h:signal "HUP"
    h:wait_log "refused %(SIGHUP%)"
    assert.equal(0, (h:ask("reload", "--force")))
    assert.equal(0, (h:ask "reload")) -- what other rules judged does not count any more
    h:rewrite "return {"
    code, _, err = h:ask "reload"
    assert.equal(1, code)
    assert.truthy(err:find("rules.lua:1:", 1, true), err)
    assert.equal(0, h:stop())
  end)

  it("lets pass what may differ, and words that change", function()
    local h, ann = arena_with_gate "last:1000"
    pace(ann, 8)
    local changed, n = ARENA:gsub('"too fast"', '"not so fast"')
    assert.equal(1, n)
    h:rewrite(changed)
    assert.equal(0, (h:ask "reload"))
    h:stop()
    h = host.start { rules = ARENA, flags = { "--gate", "last:1000", "--gate-accept", "verdict:move" } }
    ann = host.client(h.port)
    assert.is_true(ann:register())
    pace(ann, 8)
    h:rewrite(slower(ARENA))
    assert.equal(0, (h:ask "reload"))
    assert.equal(0, h:stop())
  end)

  it("plays a file, and refuses when there is none", function()
    local file = host.folder() .. "/play.rec"
    local h = host.start { rules = ARENA, flags = { "--record", file } }
    local ann = host.client(h.port)
    assert.is_true(ann:register())
    pace(ann, 8)
    assert.equal(0, h:stop())
    h = arena_with_gate(file)
    assert.equal(0, (h:ask "reload"))
    h:rewrite(slower(ARENA))
    local code, _, err = h:ask "reload"
    assert.equal(1, code)
    assert.truthy(err:find('legal -> illegal "too fast"', 1, true), err)
    os.remove(file)
    code, _, err = h:ask "reload"
    assert.equal(1, code)
    assert.truthy(err:find("cannot read", 1, true), err)
    assert.equal(0, (h:ask("reload", "--force")))
    assert.equal(0, h:stop())
  end)

  it("keeps no more than it is told to", function()
    local h, ann = arena_with_gate "last:100"
    for _ = 1, 3 do
      for _ = 1, 120 do ann:event { move = { 1, 1 } } end
      socket.sleep(1.1) -- a window begins anew at most once a second
    end
    assert.equal(0, (h:ask "reload"))
    local played = tonumber((h:wait_log "^(%d+) events played"))
    assert.is_true(played >= 50 and played <= 250, played)
    assert.equal(0, h:stop())
  end)
end)
