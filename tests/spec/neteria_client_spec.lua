-- The Lua client behaves like the real NeteriaClient: what it sends, repeats, confirms and ignores.
local neteria = require "umpire.client.neteria"
local json = require "umpire.client.pyjson"

describe("the Neteria client", function()
  local client, sent
  local CUUID = "f9052238-e591-11f1-a965-02fc00000001"

  local function last() return json.decode(sent[#sent]) end
  local function answer(message, now) return client:receive(json.encode(message), now or 0) end
  local function registered()
    client:register(0)
    answer { method = "OK REGISTER" }
    sent = {}
  end

  before_each(function()
    sent = {}
    client = neteria.new {
      cuuid = CUUID, wall = function() return 1767225600.0125 end,
      send = function(bytes) sent[#sent + 1] = bytes end,
    }
  end)

  it("asks who is there, byte for byte as recorded", function()
    client:discover()
    assert.equal('{"method": "OHAI", "version": "1.0.3", "cuuid": "' .. CUUID .. '"}', sent[1])
  end)

  it("registers with whoever answers, if it was asked to", function()
    client:discover(true)
    answer { method = "OHAI Client", version = "1.0.3", server_name = json.null }
    assert.equal('{"method": "REGISTER", "cuuid": "' .. CUUID .. '"}', sent[2])
    assert.is_nil(client.server_name)
  end)

  it("throws away an OHAI Client without server_name, as the original raises", function()
    client:discover(true)
    assert.is_false(answer { method = "OHAI Client", version = "1.0.3" })
    assert.equal(1, #sent)
  end)

  it("repeats REGISTER 5 times in all, 2 s apart, whatever BYE REGISTER says", function()
    local refused
    client.on_refused = function(_, reason) refused = reason end
    client:register(0)
    for i = 1, 4 do
      answer({ method = "BYE REGISTER", reason = "full" }, 2 * i - 1)
      assert.equal(2 * i, client:deadline())
      client:poll(2 * i)
    end
    assert.equal(5, #sent)
    client:poll(9.9)
    assert.is_nil(refused)
    client:poll(10)
    assert.equal("full", refused)
    assert.is_true(client:idle())
  end)

  it("sends no event before it is registered", function()
    assert.error_matches(function() client:event("x", 0) end, "not registered")
  end)

  it("composes an EVENT as recorded, and counts its repeats", function()
    registered()
    local id = client:event({ KEYDOWN = "up" }, 0)
    assert.matches("^%x%x%x%x%x%x%x%x%-%x%x%x%x%-1%x%x%x%-[89ab]%x%x%x%-%x+$", id)
    local form = '{"method": "EVENT", "cuuid": "' .. CUUID .. '", "euuid": "' .. id ..
      '", "event_data": {"KEYDOWN": "up"}, "timestamp": "2026-01-01 00:00:00.012500", "retry": %d, "priority": "normal"}'
    assert.equal(form:format(0), sent[1])
    client:poll(1.9)
    assert.equal(1, #sent)
    client:poll(2)
    assert.equal(form:format(1), sent[2])
  end)

  it("gives up an event after 10 s", function()
    registered()
    local verdict
    client.on_verdict = function(_, v) verdict = v end
    client:event("x", 0)
    for t = 1, 20 do client:poll(t / 2) end
    assert.equal(5, #sent)
    assert.is_true(verdict.lost)
    assert.is_nil(verdict.legal)
    assert.is_nil(next(client.event_uuids))
    assert.is_true(client:idle())
  end)

  it("confirms a LEGAL, in the order of keys that was recorded", function()
    registered()
    local id = client:event("x", 0)
    answer { method = "LEGAL", euuid = id, priority = "normal" }
    assert.equal('{"cuuid": "' .. CUUID .. '", "method": "OK EVENT", "euuid": "' .. id .. '"}', sent[2])
    assert.is_nil(client.event_uuids[id])
    assert.is_nil(client.event_confirmations[id])
  end)

  it("keeps a legal event of high priority in event_confirmations", function()
    registered()
    local id = client:event("x", 0, "high")
    assert.equal("high", last().priority)
    answer { method = "LEGAL", euuid = id, priority = "high" }
    assert.equal("x", client.event_confirmations[id])
  end)

  it("moves an illegal event into event_rollbacks, and confirms only the first ILLEGAL", function()
    registered()
    local id = client:event({ bad = 1 }, 0)
    assert.is_true(answer { method = "ILLEGAL", euuid = id, priority = "normal", reason = "no" })
    assert.same({ bad = 1 }, client.event_rollbacks[id])
    assert.is_false(answer { method = "ILLEGAL", euuid = id, priority = "normal" })
    assert.equal(2, #sent)
  end)

  it("confirms a LEGAL that it knows nothing of: the echo that a probe waits for", function()
    registered()
    assert.is_true(answer { method = "LEGAL", euuid = "56c238c0-5237-4878-8d72-4b18eb6b5f1c", priority = "normal" })
    assert.equal("56c238c0-5237-4878-8d72-4b18eb6b5f1c", last().euuid)
    assert.is_false(answer { method = "LEGAL", euuid = "56c238c0-5237-4878-8d72-4b18eb6b5f1d", priority = "high" })
    assert.is_false(answer { method = "LEGAL", euuid = "56c238c0-5237-4878-8d72-4b18eb6b5f1e" })
    assert.equal(1, #sent)
  end)

  it("takes a notify once, and confirms every copy", function()
    registered()
    local got = {}
    client.on_notify = function(_, notify) got[#got + 1] = notify end
    for _ = 1, 2 do answer { method = "NOTIFY", event_data = { HEALTH = 40 }, euuid = "n1" } end
    assert.equal(2, #sent)
    assert.equal("OK NOTIFY", last().method)
    assert.equal(1, #got)
    assert.equal("HEALTH", got[1].name)
    assert.equal(40, got[1].data)
    assert.same({ HEALTH = 40 }, client.event_notifies.n1)
  end)

  it("ignores BYE EVENT", function()
    registered()
    client:event("x", 0)
    assert.is_true(answer { method = "BYE EVENT", data = "Not registered" })
    client:poll(2)
    assert.equal(2, #sent)
    assert.equal(1, client.count.unknown)
  end)

  it("sends AUTH once", function()
    registered()
    local id = client:auth({ name = "ann", password = "x" }, 0)
    for t = 1, 20 do client:poll(t) end
    assert.equal(1, #sent)
    assert.equal("AUTH", last().method)
    assert.equal(id, last().euuid)
  end)

  it("throws away what is no Neteria", function()
    registered()
    local bad = { "", "{", "[1]", "5", '"LEGAL"', "null", '{"method": 5}', '{"method": "EVENT"}', ("x"):rep(20000) }
    for _, bytes in ipairs(bad) do
      assert.is_false(client:receive(bytes, 0))
    end
    assert.same({}, sent)
  end)

  it("refuses to send more than a datagram holds", function()
    registered()
    assert.error_matches(function() client:event(("x"):rep(10240), 0) end, "limit is 10240")
  end)

  it("never makes the same id twice", function()
    registered()
    local seen = {}
    for _ = 1, 1000 do
      local id = client:event("x", 0)
      assert.is_nil(seen[id])
      seen[id] = true
    end
  end)
end)

describe("names and data", function()
  it("meet event_data as the design's table says", function()
    assert.same({ neteria.split "up" }, { "up" })
    assert.same({ neteria.split { KEYDOWN = "up" } }, { "KEYDOWN", "up" })
    assert.same({ neteria.split { a = 1, b = 2 } }, { nil, { a = 1, b = 2 } })
    assert.same({ neteria.split { 7 } }, { nil, { 7 } })
    assert.same({ neteria.split(40) }, { nil, 40 })
    assert.equal("up", neteria.join("up"))
    assert.same({ move = { 1, 0 } }, neteria.join("move", { 1, 0 }))
    assert.equal(5, neteria.join(nil, 5))
  end)
end)

describe("JSON as Python writes it", function()
  it("is ASCII with spaces after commas and colons", function()
    assert.equal('{"a": [1, 2.5, null, true], "b": "Gr\\u00fc\\u00dfe \\ud83c\\udfae"}',
      json.encode { b = "Grüße 🎮", a = { 1, 2.5, json.null, true } })
    assert.equal("[]", json.encode(json.list {}))
    assert.equal("{}", json.encode {})
    assert.equal('{"1": "x", "a\\"b": 1e+300, "n": 3.0}', json.encode { ['a"b'] = 1e300, n = 3.0, ["1"] = "x" })
  end)

  it("reads back what it wrote", function()
    for _, value in ipairs { 0, -1, 2^53, 0.1, 1e-7, 123456789012, "a\0b\n\t\\/", { x = { y = { 1 } } } } do
      assert.same(value, json.decode(json.encode(value)))
    end
    assert.equal("integer", math.type(json.decode "40"))
    assert.is_nil((json.decode "{"))
  end)

  it("refuses what JSON cannot say", function()
    assert.error_matches(function() json.encode { print } end, "a function cannot")
    assert.error_matches(function() json.encode "\xff" end, "UTF%-8")
    local loop = {}
    loop[1] = loop
    assert.error_matches(function() json.encode(loop) end, "nested")
  end)
end)
