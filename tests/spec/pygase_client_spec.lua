-- The Lua client behaves like the real pygase.Client: what it sends, confirms, merges and dies of.
local msgpack = require "umpire.client.msgpack"
local pygase = require "umpire.client.pygase"
local json = require "umpire.client.pyjson"

local function bytes_of(hex) return (hex:gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end)) end
local function hex_of(bytes) return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end

-- A server's package. update: a map without time_order, or nil; order: its time_order.
local function package(sequence, order, update, o)
  o = o or {}
  local map = msgpack.map {}
  for k, v in pairs(update or {}) do map[k] = v end
  if map.time_order == nil then map.time_order = order end
  local out = string.pack(">I4I2I2I4s2", 0xffd0fab9, sequence, o.ack or 0, o.bits or 0, msgpack.encode(map))
  for _, event in ipairs(o.events or {}) do out = out .. string.pack(">s2", msgpack.encode(event)) end
  return out
end

local function event(name, args, kwargs)
  return { type = name, handler_args = msgpack.array(args or {}), handler_kwargs = msgpack.map(kwargs or {}) }
end

describe("MessagePack", function()
  it("writes the shortest form, floats single, str for UTF-8 and bin for the rest", function()
    for hex, value in pairs {
      ["00"] = 0, ["7f"] = 127, ["cc80"] = 128, ["cd0100"] = 256, ["ce00010000"] = 65536, ["cf0000010000000000"] = 1 << 40,
      ["ff"] = -1, ["e0"] = -32, ["d0df"] = -33, ["d1ff7f"] = -129, ["d2ffff7fff"] = -32769,
      ["d3ffffffff7fffffff"] = -2147483649,
      ["ca3fc00000"] = 1.5, ["c3"] = true, ["c2"] = false, ["a2c3a9"] = "é", ["c401ff"] = "\xff",
    } do
      assert.equal(hex, hex_of(msgpack.encode(value)))
      assert.equal(value, msgpack.decode_all(bytes_of(hex)))
    end
    assert.equal("c0", hex_of(msgpack.encode(nil)))
    assert.equal("d920", hex_of(msgpack.encode(("x"):rep(32))):sub(1, 4))
    assert.equal("93010203", hex_of(msgpack.encode { 1, 2, 3 }))
    assert.equal("80", hex_of(msgpack.encode {}))
    assert.equal("90", hex_of(msgpack.encode(msgpack.array {})))
    assert.equal("820102a16100", hex_of(msgpack.encode { 2, a = 0 }))
  end)

  it("reads what it has written, and doubles and long forms besides", function()
    local value = { a = { 1, { 2, 3 } }, [7] = "seven", text = ("long "):rep(20000), deep = { { { {} } } } }
    assert.same(value, msgpack.decode_all(msgpack.encode(value)))
    assert.equal(0.1, msgpack.decode_all(bytes_of "cb3fb999999999999a"))
    assert.equal(2.0 ^ 64 - 2048, msgpack.decode_all(bytes_of "cffffffffffffff800"))
    assert.same({ 1 }, msgpack.decode_all(bytes_of "dd0000000101"))
    assert.same({ a = 1 }, msgpack.decode_all(bytes_of "df00000001db000000016101"))
    assert.is_true(msgpack.is_map(msgpack.decode_all(bytes_of "80")))
    assert.is_false(msgpack.is_map(msgpack.decode_all(bytes_of "90")))
    assert.equal(msgpack.null, msgpack.decode_all(bytes_of "91c0")[1])
  end)

  it("raises on what is cut, doubled, too deep, no UTF-8 or of a type that is not spoken", function()
    for _, hex in ipairs { "", "a2c3", "a1ff", "cd01", "9201", "8101", "81", "82a16101a16102", "8190c0", "81c000", "c1",
      "d40000", "dfffffffff", "ddffffffff", "dbffffffff61", ("91"):rep(100) .. "00", "0000" } do
      assert.is_false((pcall(msgpack.decode_all, bytes_of(hex))), hex)
    end
    local cycle = {}
    cycle[1] = cycle
    assert.is_false((pcall(msgpack.encode, cycle)))
    assert.is_false((pcall(msgpack.encode, print)))
  end)
end)

describe("the PyGaSe client", function()
  local client, sent

  local function fresh(options)
    sent = {}
    options = options or {}
    options.send = function(bytes) sent[#sent + 1] = bytes end
    client = pygase.new(options)
    return client
  end
  local function header(bytes)
    local id, sequence, ack, bits, order = string.unpack(">I4I2I2I4I2", bytes or sent[#sent])
    return { id = id, sequence = sequence, ack = ack, bits = bits, time_order = order }
  end
  local function run(to, step) -- polls until then; step(now) may feed it
    while client:deadline() and client:deadline() <= to do
      local now = client:deadline()
      client:poll(now)
      if step then step(now) end
    end
  end

  before_each(function() fresh() end)

  describe("replays the transcripts", function()
    local file = assert(io.open "tests/vectors/pygase.vectors.json")
    local transcripts = json.decode(file:read "a")
    file:close()

    -- What a step of the client's must be, when everything before it was seen. After steps that are left out it is told
    -- where it stands.
    local function seat(c, h)
      c.sequence, c.remote, c.bits, c.time_order = (h.sequence - 2) % 65535 + 1, h.ack, h.bits, h.time_order
    end
    local function compare(step, bytes, now)
      local h = header(bytes)
      local rest, at = {}, 15 -- events are compared by what they say: maps have no order, and bin is a string to Lua
      while at <= #bytes do
        local one
        one, at = string.unpack(">s2", bytes, at)
        rest[#rest + 1] = msgpack.decode_all(one)
        local data = {}
        for i, v in ipairs(rest[#rest].handler_args) do data[i] = v end
        for k, v in pairs(rest[#rest].handler_kwargs) do data[k] = v end
        client:event(rest[#rest].type, data)
      end
      client.send_at, client.last_recv = now, math.max(client.last_recv, now - 4)
      local before = #sent
      client:poll(now)
      assert.equal(before + 1, #sent)
      local ours = sent[#sent]
      assert.same(h, header(ours))
      if #rest == 0 then assert.equal(step.hex, hex_of(ours)) end
      local mine = {}
      at = 15
      while at <= #ours do
        local one
        one, at = string.unpack(">s2", ours, at)
        mine[#mine + 1] = msgpack.decode_all(one)
      end
      assert.same(rest, mine)
    end

    -- What was written down as sent to the client may not have been read by it yet when it sent: it is given to it one by
    -- one until it stands where it stood then.
    local under_way
    local function deliver(h, now)
      local function there() return client.remote == h.ack and client.bits == h.bits and client.time_order == h.time_order end
      table.sort(under_way, function(a, b) return a.at < b.at end)
      while not there() and under_way[1] and under_way[1].at <= now do client:receive(table.remove(under_way, 1).bytes, now) end
    end

    local function replay(transcript)
      local compared, seated = 0, true
      fresh()
      under_way = {}
      client.status, client.last_recv, client.send_at, client.monitor_at = "connecting", 0, 0, 1e9
      for _, step in ipairs(transcript.steps) do
        local bytes, now = bytes_of(step.hex), step.t_ms / 1000
        local ours = not step.client or step.client == 0
        if step.elided then seated, under_way = false, {} end
        if ours and step.dir == "s2c" and not step.lost and seated then
          local at = step.delivered_ms and step.delivered_ms[1] / 1000 or now
          under_way[#under_way + 1] = { at = at + #under_way * 1e-9, bytes = bytes }
        elseif ours and step.dir == "c2s" and #bytes >= 14 then
          if not seated then seat(client, header(bytes)) end
          seated = true
          deliver(header(bytes), now + 1e-6)
          compare(step, bytes, now)
          compared = compared + 1
        end
      end
      for _, left in ipairs(under_way) do client:receive(left.bytes, left.at) end
      return compared
    end

    -- Not those that were made by hand, and did not come from the client.
    local by_hand = { sequence_wrap = true, malformed_packages = true }
    for _, transcript in ipairs(transcripts) do
      if not by_hand[transcript.name] then
        it(transcript.name, function() assert.is_true(replay(transcript) > 0) end)
      end
    end

    it("and has the state that they leave", function()
      for _, transcript in ipairs(transcripts) do
        if transcript.name == "full_state_corrected" then
          replay(transcript)
          local full
          for _, step in ipairs(transcript.steps) do
            if step.dir == "s2c" and step.text_or_decoded.update.title then full = step.text_or_decoded.update end
          end
          assert.equal(full.game_status, client.game_status)
          assert.equal("zero", client.state.players.p0.name)
          full.game_status, full.time_order, full.beat, client.state.beat = nil, nil, nil, nil -- the beat goes on
          assert.same(full, client.state)
        elseif transcript.name == "state_set_and_deleted" then
          replay(transcript)
          assert.same({}, client.state)
        end
      end
    end)
  end)

  it("sends a package each 25 ms, news or not, from sequence 1", function()
    client:connect(10)
    assert.equal("ffd0fab900010000000000000000", hex_of(sent[1]))
    run(11.001)
    assert.equal(41, #sent)
    assert.equal(41, header().sequence)
  end)

  it("counts sequences from 65535 to 1, its own and the server's", function()
    client:connect(0)
    client.sequence = 65534
    run(0.06)
    assert.equal(65535, header(sent[2]).sequence)
    assert.equal(1, header(sent[3]).sequence)
    client:receive(package(65534, 1), 0)
    client:receive(package(65535, 2), 0)
    client:receive(package(1, 3), 0)
    client:receive(package(2, 4), 0)
    run(0.08)
    assert.same({ id = 0xffd0fab9, sequence = 2, ack = 2, bits = 0xe0000000, time_order = 4 }, header())
  end)

  it("takes a state for newer as the original does: on a circle, and above 32767 not at all at first", function()
    client:connect(0)
    client:receive(package(1, 40000, { a = 1 }), 0)
    assert.same({}, client.state)
    client:receive(package(2, 30000, { a = 2 }), 0)
    client:receive(package(3, 29999, { a = 3 }), 0)
    client:receive(package(4, 60000, { b = 4 }), 0)
    client:receive(package(5, 5, { c = 5 }), 0)
    assert.same({ a = 2, b = 4, c = 5 }, client.state)
    assert.equal(5, client.time_order)
  end)

  it("merges deeply, replaces arrays, deletes, and keeps a marker that has nothing to delete", function()
    client:connect(0)
    local gone = msgpack.bin(pygase.DELETE)
    client:receive(package(1, 1, { players = { a = { x = 1, y = 2 }, b = { x = 3 } }, list = { 1, 2, 3 },
      game_status = 1 }), 0)
    assert.equal(1, client.game_status)
    client:receive(package(2, 2, { players = { a = { x = 5 }, b = gone }, list = { 9 } }), 0)
    assert.same({ players = { a = { x = 5, y = 2 } }, list = { 9 } }, client.state)
    client:receive(package(3, 3, { players = { b = gone, c = { deep = gone } }, list = gone }), 0)
    assert.same({ players = { a = { x = 5, y = 2 }, b = pygase.DELETE, c = { deep = pygase.DELETE } } }, client.state)
    client:receive(package(4, 3, { players = gone }), 0) -- not newer
    assert.equal(5, client.state.players.a.x)
    client:receive(package(5, 4, { players = 7, [1] = nil, data = "thrown away" }), 0)
    assert.same({ players = 7 }, client.state)
  end)

  it("sends at most five events in a package, and knows when they were received or lost", function()
    local told = {}
    client:connect(0)
    for i = 1, 7 do
      client:event("move", { i, fast = true }, { on_ack = function() told[#told + 1] = "ack " .. i end,
        on_lost = function() told[#told + 1] = "lost " .. i end })
    end
    assert.is_false(client:idle())
    run(0.06)
    assert.equal(15 + 5 * (#sent[3] - 14) // 2, #sent[2] + 1)
    local one = msgpack.decode_all((string.unpack(">s2", sent[3], 15)))
    assert.same(event("move", { 6 }, { fast = true }), one)
    client:receive(package(1, 1, nil, { ack = 3 }), 0.1) -- 2 was lost, or this is the client's own fault: the bit is clear
    table.sort(told)
    assert.same({ "ack 6", "ack 7" }, told)
    client:receive(package(2, 1, nil, { ack = 3 }), 1.1)
    assert.equal(7, #told)
    assert.equal("lost 5", told[7])
    assert.is_true(client:idle())
  end)

  it("looks at the ack and the 31 highest bits, not at the lowest", function()
    local acked = 0
    client:connect(0)
    client:event("e", nil, { on_ack = function() acked = acked + 1 end })
    run(0.03) -- in package 2
    client:receive(package(1, 1, nil, { ack = 34, bits = 1 }), 0.5)
    assert.equal(0, acked)
    client:receive(package(2, 1, nil, { ack = 33, bits = 2 }), 0.5)
    assert.equal(1, acked)
  end)

  it("hands on events with their arguments", function()
    local heard = {}
    client.on_event = function(_, name, data) heard[#heard + 1] = { name, data } end
    client:connect(0)
    client:receive(package(1, 1, nil,
      { events = { event("NOTE", { "hello", 2 }), event("BARE"), event("K", {}, { a = 1 }) } }), 0)
    assert.same({ { "NOTE", { "hello", 2 } }, { "BARE" }, { "K", { a = 1 } } }, heard)
  end)

  it("slows down to 20 packages a second when the latency is high, and comes back", function()
    client:connect(0)
    local sequence = 0
    local function answered_after(lag)
      local waiting = {}
      return function(now)
        waiting[#waiting + 1] = { now + lag, client.sequence }
        while waiting[1] and waiting[1][1] <= now do
          sequence = sequence + 1
          client:receive(package(sequence, 1, nil, { ack = table.remove(waiting, 1)[2] }), now)
        end
      end
    end
    run(5, answered_after(0.4))
    assert.equal(pygase.BAD, client.interval)
    assert.equal("bad", client.quality)
    local before = #sent
    run(6, answered_after(0.05))
    assert.is_true(#sent - before < 26)
    run(20, answered_after(0.05))
    assert.equal(pygase.GOOD, client.interval)
    assert.equal("good", client.quality)
  end)

  it("gives up 5 s after the last package, and never speaks again by itself", function()
    local over = 0
    client.on_disconnected = function() over = over + 1 end
    client:connect(0)
    client:receive(package(1, 1), 1)
    run(100)
    assert.equal(1, over)
    assert.is_true(#sent == 240 or #sent == 241) -- 6 s: the last one is on the edge
    client:receive(package(2, 1), 100)
    assert.is_nil(client:deadline())
    assert.is_true(client:idle())
  end)

  it("leaves without a word, or with one", function()
    client:connect(0)
    client:disconnect()
    assert.equal(1, #sent)
    fresh():connect(0)
    client:disconnect(true)
    assert.equal("shutdown", sent[2])
    assert.is_nil(client:deadline())
  end)

  describe("dies, when it is strict, where the original dies:", function()
    local good = package(40, 5, { a = 1 })
    local cases = {
      ["a doubled sequence"] = { good, good },
      ["a doubled sequence that is older"] = { good, package(41, 5), good },
      ["a sequence more than 32 behind"] = { good, package(7, 6) },
      ["a package over 2048 bytes"] = { package(1, 1, { text = ("x"):rep(2040) }) },
      ["text"] = { "hello" },
      ["a cut package"] = { good:sub(1, 20) },
      ["a package without time_order"] = { string.pack(">I4I2I2I4s2", 0xffd0fab9, 1, 0, 0, "\x80") },
      ["bytes after the events"] = { good .. "\0" },
      ["an empty event"] = { good .. "\0\0" },
      ["an event without arguments"] = { package(1, 1, nil, { events = { { type = "x" } } }) },
      ["a string that is not UTF-8"] = { (package(1, 1, { text = "abcd" }):gsub("abcd", "ab\xffd")) },
      ["a key called self"] = { package(1, 1, { self = 1 }) },
      ["a key at the top that is no string"] = { package(1, 1, { [5] = 1 }) },
      ["another game_status"] = { package(1, 1, { game_status = 2 }) },
    }
    for name, packages in pairs(cases) do
      it(name, function()
        client:connect(0)
        for i = 1, #packages - 1 do assert.is_true(client:receive(packages[i], 0)) end
        assert.error_matches(function() client:receive(packages[#packages], 0) end, "the real client dies")
        fresh { strict = false }:connect(0)
        for i = 1, #packages - 1 do client:receive(packages[i], 0) end
        local state, bits = json.encode(client.state), client.bits
        assert.is_false(client:receive(packages[#packages], 0))
        assert.equal(state, json.encode(client.state))
        assert.equal(bits, client.bits)
        assert.equal(1, client.count.strange)
      end)
    end

    it("five events of 500 bytes at once", function()
      client:connect(0)
      for _ = 1, 5 do client:event("e", { ("x"):rep(500) }) end
      assert.error_matches(function() run(1) end, "limit is 2048")
    end)
  end)
end)
