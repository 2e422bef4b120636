-- What README.md promises a newcomer, tried: its rulebook and its spec, as they are printed there.
local sim = require "umpire.sim"

local function block(start)
  local file = assert(io.open "README.md")
  local text = file:read "a"
  file:close()
  for code in text:gmatch "```lua\n(.-)```" do
    if code:find(start, 1, true) == 1 then return code end
  end
  error("README.md has no Lua block that begins with " .. start)
end

describe("README.md", function()
  it("prints a rulebook and a spec for it that work", function()
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute(("mkdir %s"):format(folder)))
    for name, text in pairs { ["door.lua"] = block "-- A door", ["door_spec.lua"] = block "-- door_spec.lua" } do
      local file = assert(io.open(folder .. "/" .. name, "w"))
      file:write((text:gsub('"door%.lua"', '"' .. folder .. '/door.lua"')))
      file:close()
    end
    local busted = io.popen("command -v busted"):read "l"
    local pipe = io.popen(("lua5.4 %s --output=plainTerminal %s/door_spec.lua 2>&1"):format(busted, folder))
    local out = pipe:read "a"
    pipe:close()
    os.execute(("rm -r %s"):format(folder))
    assert.matches("1 success / 0 failures / 0 errors", out, 1, true)
  end)

  it("prints a piece of weather that the simulator takes", function()
    local world = sim.run "rules/echo.lua"
    local code = block "world:network"
    assert(load("local world = ... " .. code))(world)
    assert.equal(2, world:info().loads)
  end)
end)

describe("a world that a test leaves open", function()
  it("is open until its end", function()
    sim.run "rules/echo.lua"
    assert.equal(1, sim.open_objects())
  end)
  it("and closed after it", function() assert.equal(0, sim.open_objects()) end)
end)
