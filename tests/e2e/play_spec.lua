-- scripts/play against the real program: real Neteria over a real socket.
package.path = "tests/e2e/?.lua;" .. package.path
local host = require "host"

local function play(arguments, environment)
  local out = os.tmpname()
  local code = select(3, os.execute(("%s scripts/play %s >%s 2>&1 </dev/null"):format(environment or "", arguments, out)))
  local text = host.read(out)
  os.remove(out)
  return code, text
end

-- Goes on by itself; returns a function that waits for its end and gives its output.
local function play_beside(arguments)
  local pipe = assert(io.popen(("scripts/play %s 2>&1 </dev/null"):format(arguments)))
  assert.matches("^joined as ", pipe:read "l")
  return function()
    local text = pipe:read "a"
    pipe:close()
    return text
  end
end

describe("scripts/play", function()
  local arena = host.read "rules/arena.lua"
  after_each(host.cleanup)

  it("joins, moves, and rolls back what is illegal", function()
    local h = host.start { rules = arena }
    local code, text = play(("127.0.0.1:%d --moves kkkkkkkkkkkkL --pause 0.11"):format(h.port))
    assert.equal(0, code)
    assert.matches("^joined as A at %d+,%d+\n", text)
    assert.matches("k illegal: a wall is there: rolled back at %d+,%d+", text)
    assert.matches("L illegal: too far: 1 in one move: rolled back", text)
    assert.matches("left with 13 of 13 moves answered", text)
    local y = tonumber(text:match "joined as A at %d+,(%d+)")
    for line in text:gmatch "[^\n]+" do -- the place moves with each legal move, and with no other
      local verdict, now = line:match "^k (%a+).* at %d+,(%d+)$"
      if verdict == "legal" then y = y - 1 end
      if verdict then assert.equal(y, tonumber(now)) end
    end
    assert.equal(0, h:stop())
  end)

  it("shows the others' moves, and plays on by new rules after SIGHUP", function()
    local h = host.start { rules = arena }
    local watcher = play_beside(("127.0.0.1:%d --moves '' --stay 3"):format(h.port))
    assert.matches("too far: 1", select(2, play(("127.0.0.1:%d --moves L --stay 0"):format(h.port))))
    h:rewrite((arena:gsub("local REACH = 1", "local REACH = 2")))
    h:signal "HUP"
    h:wait_log "^reloaded "
    local code, text = play(("127.0.0.1:%d --moves LHhlkj"):format(h.port))
    assert.equal(0, code)
    assert.not_matches("too far", text, 1, true)
    assert.matches(" legal at ", text)
    local seen = watcher()
    assert.matches("reloaded\n", seen)
    assert.matches("C moved to %d+,%d+", seen)
    assert.equal(0, h:stop())
  end)

  it("says what to install when a module is missing", function()
    local code, text = play("", "LUA_PATH_5_4=/nowhere/?.lua LUA_CPATH_5_4=/nowhere/?.so")
    assert.equal(1, code)
    assert.matches("the Lua module 'socket' is missing.*apt%-get install lua%-socket", text)
  end)

  it("explains its flags", function()
    assert.equal(0, (play "--help"))
    for arguments, complaint in pairs {
      ["--moves x"] = "h j k l", ["--pause soon"] = "number of seconds", ["--speed 9"] = "unknown flag %-%-speed",
      ["a b"] = "one HOST", ["localhost:70000"] = "ports are 1 to 65535", ["[::1]:40080"] = "a name or an IPv4 address",
    } do
      local code, text = play(arguments)
      assert.equal(2, code)
      assert.matches(complaint, text)
      assert.matches("usage: ", text)
    end
  end)

  it("says so when there is no such host", function()
    local code, text = play "nowhere.invalid --moves l"
    assert.equal(1, code)
    assert.matches("there is no host called 'nowhere.invalid'", text, 1, true)
  end)

  it("needs a terminal when it is to be played by hand", function()
    local h = host.start { rules = arena }
    local code, text = play(("127.0.0.1:%d"):format(h.port))
    assert.equal(1, code)
    assert.matches("standard input is no terminal: use %-%-moves", text)
    h:stop()
  end)

  it("says so when another game is running there", function()
    local h = host.start { rules = "return { api = 1, connect = function() return false, 'members only' end }" }
    local code, text = play(("127.0.0.1:%d --moves l"):format(h.port))
    assert.equal(1, code)
    assert.matches("does not let us in: members only", text)
    h:stop()
  end)
end)
