-- umpire check: what it finds, how it is told, how it exits.
package.path = "tests/e2e/?.lua;" .. package.path
local cjson = require "cjson"
local host = require "host"

-- Exit code, standard output, standard error without the folder in front of names.
local function check(text, flags, env)
  local folder = host.folder()
  local path = host.write(folder .. "/game.lua", text)
  local args = { "check", path }
  for _, flag in ipairs(flags or {}) do args[#args + 1] = flag end
  local code, out, err = host.run(args, env)
  local plain = folder:gsub("%p", "%%%0") .. "/"
  return code, out:gsub(plain, ""), (err:gsub(plain, ""))
end

local sound = "return { api = 1 }\n"
local shadowing = [[
local host = require "umpire"
local game = { api = 1 }
local unused = 1
function game.execute(client, event)
  local host = event.data
  return math.pow(host, 2)
end
return game
]]

describe("umpire check", function()
  after_each(host.cleanup)

  it("says nothing on standard error about what is sound", function()
    local code, out, err = check(sound)
    assert.equal(0, code)
    assert.truthy(out:find("game.lua is a good rulebook\nhandlers:", 1, true))
    assert.equal("", err)
  end)

  it("tells what luacheck finds, with file and line, as warnings", function()
    local code, out, err = check(shadowing)
    assert.equal(0, code)
    assert.truthy(out:find "is a good rulebook")
    assert.equal([[
game.lua:1: warning: unused variable 'host' (luacheck W211)
game.lua:3: warning: unused variable 'unused' (luacheck W211)
game.lua:5: warning: shadowing upvalue 'host' on line 1 (luacheck W431)
game.lua:6: warning: accessing undefined field 'pow' of global 'math' (luacheck W143)
]], err)
  end)

  it("exits 1 on warnings with --strict", function()
    assert.equal(1, (check(shadowing, { "--strict" })))
    assert.equal(0, (check(sound, { "--strict" })))
  end)

  it("tells nothing twice: what it finds itself, luacheck need not", function()
    local code, _, err = check "local game = { api = 1 }\nfunction game.tick() undefined() end\nreturn game\n"
    assert.equal(1, code)
    assert.equal(2, select(2, err:gsub("\n", "\n")), err)
    assert.truthy(err:find("game.lua:2: undefined global 'undefined'", 1, true), err)
    code, _, err = check "return {\n"
    assert.equal(1, code)
    assert.equal(1, select(2, err:gsub("game.lua:", "")), err)
  end)

  it("heeds luacheck's comments, and no .luacheckrc", function()
    local code, _, err = check("local unused = 1 -- luacheck: ignore\nreturn { api = 1 }\n", { "--strict" })
    assert.equal(0, code, err)
  end)

  it("looks at every file of a rulebook, and not at the library", function()
    local folder = host.folder()
    host.write(folder .. "/init.lua", 'require "umpire.middleware.schema" require "rules" return { api = 1 }\n')
    host.write(folder .. "/rules.lua", "local unused = 1\nreturn 1\n")
    local code, _, err = host.run { "check", folder }
    assert.equal(0, code)
    assert.equal(folder .. "/rules.lua:1: warning: unused variable 'unused' (luacheck W211)\n", err)
  end)

  it("goes on without luacheck, and says what was not looked for", function()
    local code, out, err = check(shadowing, { "--strict" }, { PATH = host.folder() })
    assert.equal(0, code)
    assert.truthy(out:find "is a good rulebook")
    assert.equal("note: unused and shadowed names were not looked for, because luacheck is not installed: "
      .. "apt-get install lua-check\n", err)
  end)

  it("says when luacheck does not work", function()
    local folder = host.folder()
    host.write(folder .. "/luacheck", "#!/bin/sh\nexit 7\n")
    os.execute("chmod +x " .. folder .. "/luacheck")
    local code, _, err = check(shadowing, {}, { PATH = folder })
    assert.equal(0, code)
    assert.truthy(err:find("because luacheck did not work", 1, true), err)
  end)

  it("tells listen URLs that cannot be served", function()
    local code, _, err = check [[
return { api = 1, listen = {
  "neteria://0.0.0.0:40080?hold=1",
  "http://0.0.0.0:80",
  "laneya://0.0.0.0:70000",
  "laneya://0.0.0.0:5001?limit=0",
} }
]]
    assert.equal(1, code)
    local lines = {}
    for line in err:gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.equal(4, #lines, err)
    assert.matches('^game.lua:2: listen%[1%]: .*unknown option "hold"; neteria knows limit per_address', lines[1])
    assert.matches('^game.lua:3: listen%[2%]: .*unknown protocol "http"; this program speaks neteria', lines[2])
    assert.matches("^game.lua:4: listen%[3%]: .*0 to 65535", lines[3])
    assert.matches("^game.lua:5: listen%[4%]: .*limit", lines[4])
  end)

  it("tells handlers that want more than they are given, and costly patterns", function()
    local code, _, err = check [[
local game = { api = 1 }
function game.connect(client, name) return name == client.id end
function game.execute(_, event) return event.name:match "(.*)(.*)(.*)x" end
return game
]]
    assert.equal(1, code)
    assert.truthy(err:find("game.lua:2: connect has 2 parameters, and is given 1: connect(client)\n", 1, true), err)
    assert.truthy(err:find('game.lua:3: warning: the pattern "(.*)(.*)(.*)x" can take over a million steps', 1, true), err)
  end)

  it("finds a legal that changes something, and says where", function()
    local code, _, err = check [[
local game = { api = 1 }
function game.legal(client, event)
  if event.name == "open" then client.data.opened = true end
  return true
end
return game
]]
    assert.equal(1, code)
    assert.equal("game.lua:3: legal changes client.data.opened: it must change nothing, since what it is asked about may be "
      .. "refused yet; do that in execute\n", err)
  end)

  it("has nothing to say about the rulebooks that are shipped", function()
    local pipe = io.popen "ls rules/*.lua"
    for path in pipe:lines() do
      local code, _, err = host.run { "check", "--strict", path }
      assert.equal(0, code, err)
      assert.equal("", err)
    end
    pipe:close()
  end)

  it("tells programs in JSON", function()
    local code, out, err = check(shadowing, { "--json" })
    assert.equal(0, code)
    assert.equal("", err)
    local found = cjson.decode(out)
    assert.is_true(found.ok)
    assert.equal(4, #found.findings)
    assert.same({ severity = "warning", file = "game.lua", line = 3, message = "unused variable 'unused' (luacheck W211)" },
      found.findings[2])
    code, out = check("local game = { api = 1 }\n\nerror 'a \"quoted\"\\tword'\nreturn game", { "--json" })
    assert.equal(1, code)
    found = cjson.decode(out)
    assert.is_false(found.ok)
    assert.equal("error", found.findings[1].severity)
    assert.equal(3, found.findings[1].line)
    assert.truthy(found.findings[1].message:find('a "quoted"\tword', 1, true), found.findings[1].message)
    assert.same({}, cjson.decode((select(2, check(sound, { "--json" })))).findings)
  end)
end)
