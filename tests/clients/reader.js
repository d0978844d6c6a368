// A reader of the JSON form, as web front ends have it: no schema, paths down to `$`.
//
// Usage: node reader.js HOST:PORT. Starts a fetch, waits for its end, prints what it saw as JSON.

const base = "http://" + process.argv[2];

async function ask(path) {
  const answer = await fetch(base + path + "&responseFormat=JSON");
  if (!answer.ok) throw new Error("HTTP " + answer.status);
  return (await answer.json()).autnresponse;
}

async function main() {
  const started = await ask("/action=FETCH&fetchaction=synchronize&tasksections=docs");
  const token = started.responsedata.token.$;
  const path = "/action=QUEUEINFO&queueaction=GETSTATUS&queuename=fetch&token=" + encodeURIComponent(token);
  let action;
  for (let tries = 0; tries < 600; tries++) {
    action = (await ask(path)).responsedata.actions.action[0];
    if (["Finished", "Error"].includes(action.status.$)) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const failed = await ask("/action=QueueInfo&queuename=fetch&queueaction=juggle");
  console.log(
    JSON.stringify({
      status: action.status.$,
      counts: action.documentcounts.documentcount.map((count) => [count["@task"], count["@seen"]]),
      response: failed.response.$,
      error: failed.responsedata.error.errorcode.$,
    }),
  );
}

main();
