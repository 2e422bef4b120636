-- The tavern with guests of all four protocols in one world.
local sim = require "umpire.sim"

local BOOK = "rules/tavern.lua"

-- What a joint program has to know: the same words as the rulebook's.
local DECLARED = {
  mode = "rpc",
  remotes = { [0] = { { "enter", "String" }, { "step", "Int32", "Int32" }, { "say", "String" }, { "leave" } } },
  client_remotes = { [0] = {
    { "room", "Array<String>" }, { "welcome", "String" }, { "entered", "String", "String", "Int32", "Int32" },
    { "moved", "String", "Int32", "Int32" }, { "said", "String", "String" }, { "left", "String" },
    { "refused", "String", "String" },
  } },
}

local function at_the_door(world, options)
  local o = { channel = "tavern", declared = DECLARED }
  for k, v in pairs(options or {}) do o[k] = v end
  return world:connect("joint", o)
end

local function come_in(world, name, options)
  local player = at_the_door(world, options)
  player:call("enter", { name })
  world:settle()
  assert.same({ name }, player:last "welcome")
  return player
end

-- ann speaks Neteria, lea laneya, joe joint (over WebSocket, as browsers), pia PYMMORPG; all are in, in this order.
local function company(world)
  local ann = world:connect "neteria"
  assert.is_true(ann:event("enter", "ann").legal)
  local lea = world:connect("laneya", { user = "lea" })
  assert.is_true(lea:event("hear", {}).legal)
  local joe = come_in(world, "joe", { web = true })
  local pia = world:connect("pymmorpg", { user = "pia" })
  assert.equal("pia", pia.user)
  world:settle()
  return ann, lea, joe, pia
end

local function places(pia)
  local list = {}
  for _, guest in ipairs(pia:ask "update") do list[guest.name] = guest.pos end
  return list
end

describe("the tavern", function()
  it("shows guests of four protocols to each other", function()
    local world = sim.run(BOOK)
    local ann, lea, joe, pia = company(world)

    local names = {}
    for _, entered in ipairs(ann:received "entered") do names[#names + 1] = entered.name .. " " .. entered.speaks end
    assert.same({ "ann neteria", "lea laneya", "joe joint", "pia pymmorpg" }, names)

    names = {}
    for _, position in ipairs(lea:received "position") do names[#names + 1] = position.entity end
    assert.same({ "User:ann", "User:lea", "User:joe", "User:pia" }, names)

    names = {}
    for _, entered in ipairs(joe:received "entered") do names[#names + 1] = entered[1] .. " " .. entered[2] end
    assert.same({ "ann neteria", "lea laneya", "joe joint", "pia pymmorpg" }, names)

    names = {}
    for _, guest in ipairs(pia:ask "update") do names[#names + 1] = guest.name .. " " .. guest.visual end
    assert.same({ "ann neteria", "joe joint", "lea laneya", "pia pymmorpg" }, names)
    world:close()
  end)

  it("lets each of them walk, and the others see it", function()
    local world = sim.run(BOOK)
    local ann, lea, joe, pia = company(world)
    local before = places(pia)

    assert.is_true(lea:event("move", { direction = "north" }).legal)
    assert.is_true(ann:event("move", { 0, -1 }).legal)
    joe:call("step", { 0, -1 })
    assert.is_true(pia:event("move", pia.tuple { 0, -1, 0 }).value)
    world:settle()

    local after = places(pia)
    for _, name in ipairs { "ann", "lea", "joe", "pia" } do
      local x, y = before[name][1], before[name][2] - 1
      assert.same({ x, y, 0 }, after[name])
      local function told(list, is) -- the last thing told of that one
        for i = #list, 1, -1 do
          if is(list[i]) then return list[i] end
        end
      end
      assert.same({ name, x, y }, told(ann:received "moved", function(m) return m[1] == name end))
      assert.same({ name, x, y }, told(joe:received "moved", function(m) return m[1] == name end))
      assert.same({ entity = "User:" .. name, x = x, y = y },
        told(lea:received "position", function(m) return m.entity == "User:" .. name end))
    end
    world:close()
  end)

  it("carries what each of them says to the others", function()
    local world = sim.run(BOOK)
    local ann, lea, joe, pia = company(world)
    assert.is_true(ann:event("say", "Neteria here").legal)
    assert.is_true(lea:event("say", { text = "laneya here" }).legal)
    joe:call("say", { "joint here" })
    world:settle()
    local set = pia:event("set", "pia", "say", "PYMMORPG here")
    assert.is_true(set.value)
    assert.same({ "said" }, set.flags)
    world:settle()

    local all = { { "ann", "Neteria here" }, { "lea", "laneya here" }, { "joe", "joint here" }, { "pia", "PYMMORPG here" } }
    assert.same(all, ann:received "said")
    assert.same(all, joe:received "said")
    assert.same(all, pia:ask("get", "tavern", "said"))
    local heard = {}
    for i, said in ipairs(lea:received "said") do heard[i] = { said.entity:match "^User:(.*)$", said.text } end
    assert.same(all, heard)
    assert.equal("joint here", pia:ask("get", "joe", "say"))
    world:close()
  end)

  it("sends no laneya client an update that it has not asked for and would fall over", function()
    local world = sim.run(BOOK)
    local real = require "umpire.client.laneya"
    local lea = world:connect("laneya", { user = "lea", actions = real.ACTIONS })
    assert.is_true(lea:event("move", { direction = "north" }).legal)
    local ann = world:connect "neteria"
    ann:event("enter", "ann")
    ann:event("say", "hello")
    ann:event("move", { 0, -1 })
    ann:event "leave"
    world:settle()
    assert.is_true(lea.open)
    assert.equal(16, #lea:event("get_map", { map_id = 1 }).data.floor_layer)
    world:close()
  end)

  it("refuses what nobody can do, in the words of each protocol", function()
    local world = sim.run(BOOK)
    local ann, lea, joe, pia = company(world)
    local before = places(pia)

    local verdict = ann:event("move", { 1, 1 })
    assert.is_false(verdict.legal)
    assert.equal("one direction at a time", verdict.reason)
    assert.is_false(ann:event("move", { 2, 0 }).legal)
    assert.is_false(ann:event("fly").legal)
    assert.is_false(ann:event("say", ("x"):rep(201)).legal)

    local answer = lea:event("move", { direction = "up" })
    assert.equal("invalid", answer.status)
    assert.equal("invalid", lea:event("move", { direction = "north", far = 2 }).status)

    joe:call("step", { 0, 7 })
    joe:call("say", { "   " })
    world:settle()
    assert.same({ { "step", "data[2]: expected an integer from -1 to 1, got 7" }, { "say", "say something" } },
      joe:received "refused")

    assert.is_false(pia:event("move", pia.tuple { 5, 0, 0 }).value)
    assert.is_false(pia:event("move", pia.tuple { 0, 1 }).value)
    assert.is_false(pia:event("set", "ann", "say", "I am a fool").value)
    assert.is_false(pia:event("set", "pia", "pos", "1").value)
    assert.is_false(pia:event("edit", { "wall", {} }).value)
    assert.is_false(pia:event("get", "nobody", "pos").value)
    assert.same(before, places(pia))
    world:close()
  end)

  it("has walls and tables, and no two stand on one cell", function()
    local world = sim.run(BOOK)
    local ann, bob = come_in(world, "ann"), come_in(world, "bob") -- inside of the door; bob two cells before her
    bob:call("step", { 0, 1 })
    bob:call("step", { 0, 1 })
    world:settle()
    ann:call("step", { 0, 1 }) -- into the door, and no further
    ann:call("step", { 0, 1 })
    ann:call("step", { -1, 0 })
    world:settle()
    assert.same({ { "step", "ann stands there" } }, bob:received "refused")
    assert.same({ { "step", "there is no way through" }, { "step", "there is no way through" } }, ann:received "refused")
    assert.same({ "ann", 7, 11 }, ann:last "moved")
    world:close()
  end)

  it("gives a name to one guest at a time, whatever he speaks", function()
    local world = sim.run(BOOK)
    local ann = world:connect "neteria"
    assert.is_true(ann:event("enter", "Ann").legal)
    assert.equal("you are in already", ann:event("enter", "Anna").reason)

    local joe = at_the_door(world)
    joe:call("enter", { "ANN" })
    world:settle()
    assert.same({ "enter", "ANN is here already" }, joe:last "refused")
    local lea = world:connect("laneya", { user = "ann" })
    assert.equal("ann is here already", lea:event("hear", {}).reason)
    local pia = world:connect "pymmorpg"
    assert.is_false(pia:login("ann", "secret").value)
    for _, bad in ipairs { "", " ann", "ann ", "a\nb", ("x"):rep(17) } do
      joe:call("enter", { bad })
      world:advance(0.2)
    end
    assert.equal(6, #joe:received "refused")

    assert.is_true(ann:event("leave").legal)
    assert.is_true(pia:login("ann", "secret").value)
    local here = pia:ask "update"
    assert.equal(1, #here)
    assert.equal("ann", here[1].name)
    world:close()
  end)

  it("lets who is at the door look and listen, and do nothing else", function()
    local world = sim.run(BOOK)
    local ann = come_in(world, "ann")
    local watcher, far = at_the_door(world), world:connect "neteria"
    world:settle()
    assert.equal(12, #watcher:last "room"[1])
    assert.equal("ann", watcher:last "entered"[1])
    assert.equal(12, #far:last "room")
    watcher:call("step", { 0, -1 })
    watcher:call("say", { "boo" })
    ann:call("say", { "hello out there" })
    world:settle()
    assert.same({ { "step", "tell your name first" }, { "say", "tell your name first" } }, watcher:received "refused")
    assert.same({ { "ann", "hello out there" } }, watcher:received "said")
    assert.same({ { "ann", "hello out there" } }, far:received "said")
    assert.equal("tell your name first", far:event("move", { 0, -1 }).reason)
    world:close()
  end)

  it("tells who leaves, in whatever way", function()
    local world = sim.run(BOOK)
    local ann, lea, joe, pia = company(world)
    local watcher = at_the_door(world)
    assert.is_true(ann:event("leave").legal)
    assert.is_true(lea:event("logout", {}).legal)
    joe:disconnect()
    pia:cut()
    world:wait_for(function() return #watcher:received "left" == 4 end, 120)
    local gone = {}
    for _, left in ipairs(watcher:received "left") do gone[left[1]] = true end
    assert.same({ ann = true, lea = true, joe = true, pia = true }, gone)
    assert.equal(0, #world:connect("pymmorpg", { user = "zoe" }):ask("get", "tavern", "said"))
    world:close()
  end)

  it("bounds steps and talk", function()
    local world = sim.run(BOOK)
    local ann = come_in(world, "ann")
    for i = 1, 12 do ann:call("step", { i % 2 == 0 and 1 or -1, 0 }) end -- to and fro: the other half of the door is free
    for _ = 1, 6 do ann:call("say", { "me!" }) end
    world:settle()
    local why = {}
    for _, refused in ipairs(ann:received "refused") do
      local line = refused[1] .. ": " .. refused[2]
      why[line] = (why[line] or 0) + 1
    end
    assert.same(4, why["step: not so fast: eight steps a second"])
    assert.same(2, why["say: let the others speak, too"])
    world:advance(1)
    ann:forget()
    ann:call("say", { "and again" })
    world:settle()
    assert.equal(0, #ann:received "refused")
    world:close()
  end)

  it("goes on across a reload: everybody stays where he is, and is shown the room again", function()
    local world = sim.run(BOOK)
    local ann, lea, joe, pia = company(world)
    assert.is_true(lea:event("move", { direction = "north" }).legal)
    ann:event("say", "before")
    local before = places(pia)
    joe:forget()
    assert.is_true(world:reload())
    world:settle()
    assert.same(before, places(pia))
    assert.equal(12, #joe:last "room"[1])
    assert.equal(4, #joe:received "entered")
    assert.same({ { "ann", "before" } }, pia:ask("get", "tavern", "said"))
    assert.is_true(lea:event("say", { text = "after" }).legal)
    assert.same({ "lea", "after" }, (ann:last "said"))
    world:close()
  end)

  it("comes to the same on a bad network", function()
    local world = sim.run(BOOK, { seed = 11 })
    world:network { loss = 0.2, duplicate = 0.1, lag = 0.06, jitter = 0.03, split = "random" }
    local ann, lea, joe, pia = company(world)
    for i = 1, 6 do
      ann:event("move", { 0, i % 2 == 0 and 1 or -1 })
      lea:event("move", { direction = i % 2 == 0 and "south" or "north" })
      joe:call("step", { 0, i % 2 == 0 and 1 or -1 })
      pia:event("move", pia.tuple { 0, i % 2 == 0 and 1 or -1, 0 })
      world:advance(0.3)
    end
    world:settle()
    local here = places(pia)
    local seen = {}
    for _, list in ipairs { joe:received "entered", joe:received "moved" } do
      for _, m in ipairs(list) do seen[m[1]] = { m[#m - 1], m[#m], 0 } end
    end
    assert.same(here, seen)
    world:close()
  end)
end)
