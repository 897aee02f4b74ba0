"use strict";

// Shows the questions that were chosen; without this script all of them are shown.
const filter = document.getElementById("filter");
const cards = Array.from(document.querySelectorAll("article[data-task]"));
const told = document.getElementById("filter-told");

function chosen(name) {
  // A reloaded page keeps its choice in some browsers.
  const input = filter.querySelector(`input[name="${name}"]:checked`);
  return input ? input.value : "all";
}

function fits(card, task, run, verdict) {
  if (task !== "all" && card.dataset.task !== task) return false;
  if (verdict === "all") return true;
  const verdicts = card.dataset.verdicts.trim().split(" ");
  return run === "all" ? verdicts.includes(verdict) : verdicts[Number(run)] === verdict;
}

function show() {
  const [task, run, verdict] = ["task", "run", "verdict"].map(chosen);
  let shown = 0;
  for (const card of cards) {
    card.hidden = !fits(card, task, run, verdict);
    for (const row of card.querySelectorAll("tr[data-run]")) {
      row.hidden = run !== "all" && row.dataset.run !== run;
    }
    if (card.hidden) {
      for (const video of card.querySelectorAll("video")) video.pause();
    } else {
      shown += 1;
    }
  }
  told.textContent = `${shown} of ${cards.length} questions shown`;
}

if (filter) {
  filter.hidden = false;
  filter.addEventListener("change", show);
  show();
}

for (const video of document.querySelectorAll("video")) {
  // Show the frame in which the question begins: the object may not be in the first one.
  const seek = () => { video.currentTime = Number(video.dataset.start) + 0.01; };
  if (video.readyState >= 1) seek();
  else video.addEventListener("loadedmetadata", seek, { once: true });
  video.addEventListener("error", () => {
    video.parentElement.querySelector(".video-error").hidden = false;
  });
}
