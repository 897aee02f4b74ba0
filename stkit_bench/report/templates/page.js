"use strict";

// Shows the questions of one task; without this script all of them are shown.
const filter = document.getElementById("filter");
const cards = Array.from(document.querySelectorAll("article[data-task]"));
const told = document.getElementById("filter-told");

function show(task) {
  let shown = 0;
  for (const card of cards) {
    card.hidden = task !== "all" && card.dataset.task !== task;
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
  filter.addEventListener("change", (event) => show(event.target.value));
  // A reloaded page keeps its choice in some browsers.
  const chosen = filter.querySelector("input:checked");
  show(chosen ? chosen.value : "all");
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
