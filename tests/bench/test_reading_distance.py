from __future__ import annotations

import pytest

from stkit_bench.reading import read_response

FT, MI = 0.3048, 1609.34

UNITS = [
    ("12.3 m", 12.3),
    ("12.3m", 12.3),
    ("12.30 meters", 12.3),
    ("12.3 metres.", 12.3),
    ("**12.3 m**", 12.3),
    ("**Approximately 12 meters.**", 12.0),
    ("≈ 12 m", 12.0),
    ("~12m", 12.0),
    ("1 meter", 1.0),
    ("450 cm", 4.5),
    ("450 centimetres", 4.5),
    ("4500 mm", 4.5),
    ("0.07 miles", 0.07 * MI),
    ("0.12 kilometers", 120.0),
    ("0.12km", 120.0),
    ("40 ft", 40 * FT),
    ("40 feet", 40 * FT),
    ("1 foot", FT),
    ("600 inches", 15.24),
    ("600 in.", 15.24),
    ("601.57 in", 15.28),
    ("30 yards", 27.432),
    ("5 ft 3 in", 1.6002),
    ("5'3\"", 1.6002),
    ("5’ 3”", 1.6002),
    ("5 feet and 3 inches", 1.6002),
    ("a 50-meter distance", 50.0),
    ("12,5 m", 12.5),
    ("1,200 meters", 1200.0),
    ("1 200 m", 1200.0),
    ("1.200,5 m", 1200.5),
    ("12,345.6 m", 12345.6),
    ("1.2e3 m", 1200.0),
    ("1.2 × 10^3 m", 1200.0),
    ("1.2 x 10³ meters", 1200.0),
    ("twenty-five point five metres", 25.5),
    ("a hundred and twenty meters", 120.0),
    ("One hundred and five metres", 105.0),
    ("half a kilometre", 500.0),
    ("a quarter of a mile", 0.25 * MI),
    ("one and a half kilometers", 1500.0),
    ("two and a half meters", 2.5),
    ("a mile and a half", 1.5 * MI),
    ("1/2 mile", 0.5 * MI),
    ("½ mile", 0.5 * MI),
    ("3 1/2 m", 3.5),
    ("3½ metres", 3.5),
    ("10-15 m", 12.5),
    ("10–15 meters", 12.5),
    ("10 m – 15 m", 12.5),
    ("10 to 15 meters", 12.5),
    ("between 10 and 15 meters", 12.5),
    ("from about 10 to about 15 metres", 12.5),
    ("between approximately 10 m and 15 m", 12.5),
    ("ten to fifteen meters", 12.5),
    ("12.5 ± 0.5 m", 12.5),
    ("12.5 m ± 10%", 12.5),
    ("12 m (±2 m)", 12.0),
    ("12 m +/- 2 m", 12.0),
    ("less than 5 m", 5.0),
    ("at least 20 metres", 20.0),
    ("up to 30 m", 30.0),
    ("$12.5\\,\\text{m}$", 12.5),
    ("\\boxed{12.5 \\text{ m}}", 12.5),
    ("$\\boxed{12.5\\ \\mathrm{m}}$", 12.5),
    ("\\[ \\boxed{\\frac{25}{2} \\text{ meters}} \\]", 12.5),
    ("12 米", 12.0),
    ("大约12.5米。", 12.5),
    ("0 m", 0.0),
    ("0.00 meters", 0.0),
]


@pytest.mark.parametrize(("said", "metres"), UNITS)
@pytest.mark.parametrize(
    "frame", ["{}", "The object traveled a total distance of {}", "Answer: {}", "It moved {}"]
)
def test_units_and_numbers(said: str, metres: float, frame: str) -> None:
    reading = read_response("traveled_distance", frame.format(said))
    assert reading.value_si == pytest.approx(metres, rel=1e-3), reading


SENTENCES = [
    ("Between 3.50 and 17.00 seconds, the object traveled 15.28 m.", 15.28),
    ("From 3.50 to 17.00 seconds, the given object moved a distance of 50.13 feet.", 15.28),
    ("The object moved about 12 meters over 20 frames.", 12.0),
    ("Over 20 frames (10 s), the car in the red box covers roughly 85 m.", 85.0),
    ("The object traveled 12 m (39.4 ft).", 12.0),
    ("The object traveled 39.4 ft (about 12 m).", 39.4 * FT),
    ("That is about 12 m, or 39.4 feet.", 12.0),
    ("Speed 8 m/s × time 5 s = 40 m", 40.0),
    ("distance = speed * time = 8 * 5 = 40 meters", 40.0),
    ("The car moves at 8 m/s for 5 s, so the distance is 40 m.", 40.0),
    ("At 30 km/h (8.33 m/s) for 5 s, it covers 41.7 m.", 41.7),
    ("It travels 15 m in the first 3 s, then 10 m in 2 s, for a total of 25 m.", 25.0),
    ("5 m + 7 m + 3 m = 15 m", 15.0),
    ("First 5 m, then 7 m, then 3 m: total 15 m.", 15.0),
    ("Assuming a typical car length of 4.5 m, the car moves about 3 car lengths: 13.5 m.", 13.5),
    ("The car is about 4.5 m long and moves three times its length, i.e. roughly 13.5"
     " meters.", 13.5),
    ("The object is initially 20 m away from the camera. It travels approximately 8 meters.", 8.0),
    ("It travels approximately 8 meters and ends up 20 m away from the camera.", 8.0),
    ("Lanes are typically 3.5 m wide. The car crosses two lanes, so it traveled about 7"
     " meters.", 7.0),
    ("The displacement is 10 m.\n\nTherefore, the total distance traveled is approximately"
     " **12 m**.", 12.0),
    ("**Final answer:** 12.5 m", 12.5),
    ("### Final Answer\n\n**12.5 meters**", 12.5),
    ("Final Answer: The final answer is $\\boxed{23.4}$ meters", 23.4),
    ("Final answer: 12 m (assuming the car is 5 m long)", 12.0),
    ("<think>The car is 4 m long, maybe 30 m</think>The object traveled 25 m.", 25.0),
    ("so maybe 30 m...\n</think>\n\n25 m", 25.0),
    ("<think>I guess 30 m.</think><answer>25 m</answer>", 25.0),
    ("<answer>25</answer>", 25.0),
    ("<|begin_of_box|>18.5 m<|end_of_box|>", 18.5),
    ('{"distance": 12.3}', 12.3),
    ('{"distance": 12.3, "unit": "ft"}', 12.3 * FT),
    ('{"distance_m": 12.3, "confidence": 0.8}', 12.3),
    ('```json\n{"distance_in_meters": 12.3}\n```', 12.3),
    ('{"total_distance": "12.3 meters"}', 12.3),
    ('{"answer": {"value": 1.2, "unit": "km"}}', 1200.0),
    ("{'distance': '12.3 m',}", 12.3),
    ('{"reasoning": "the car is 4 m long", "answer": "30 m"}', 30.0),
    ("12.5", 12.5),
    ("12.5.", 12.5),
    ("The object traveled approximately 12.5 in the video.", 12.5),
    ("The total distance traveled by the object is 25.", 25.0),
    ("Distance (km): 0.5", 500.0),
    ("Distance in feet: 40", 40 * FT),
    ("The object did not move.", 0.0),
    ("The object remains stationary throughout the video.", 0.0),
    ("It is impossible to be exact, but roughly 20 m.", 20.0),
    ("I'm sorry, I can't measure it precisely. My best estimate is 20 meters.", 20.0),
    ("Although I cannot determine the exact distance, the object appears to travel about 15"
     " m.", 15.0),
    ("Without a scale reference, an exact value can't be given; I'd estimate around 20 m.", 20.0),
    ("1. The object starts on the left.\n2. It moves 12 m to the right.\n3. It stops.", 12.0),
    ("- Start: 0 m\n- End: 30 m\n- Total distance: 30 m", 30.0),
    ("The object traveled -12 m.", 12.0),
    ("The distance is 10 or 12 meters.", 11.0),
    ("That object went 0.12 kilometers.", 120.0),
    ("It went from the left edge to the center, which is a distance of"
     " approximately **10 meters**.", 10.0),
    ("| Quantity | Value |\n|---|---|\n| Distance | 45 m |\n| Time | 9 s |", 45.0),
    ("Based on the video, the pedestrian walks at 1.4 m/s for 8 seconds, giving 11.2 m.", 11.2),
    ("The vehicle moves approximately 2 meters per frame over 20 frames, so about 40"
     " meters.", 40.0),
    ("Its position goes from x = 2 to x = 14, so the distance traveled is about 12 m.", 12.0),
    ("With an acceleration of 2 m/s² over 3 s the distance is 9 m.", 9.0),
    ("The total distance traveled is 1.2 km, i.e., 1200 m.", 1200.0),
    ("I would say around thirty meters.", 30.0),
    ("It covers a couple of meters.", 2.0),
    ("Roughly a dozen meters.", 12.0),
    ("The object 3 traveled 42.00 m", 42.0),
    ("To estimate it, I use the speed limit of 50 km/h and 4 s. 13.9 × 4 ≈ 55.6 m. So,"
     " about 56 m.", 56.0),
]  # fmt: skip


@pytest.mark.parametrize(("response", "metres"), SENTENCES)
def test_sentences(response: str, metres: float) -> None:
    reading = read_response("traveled_distance", response)
    assert reading.value_si == pytest.approx(metres, rel=1e-3, abs=1e-6), reading


UNREADABLE = [
    (None, "empty"),
    ("", "empty"),
    ("  \n", "empty"),
    ("I'm sorry, I can't determine the distance.", "refusal"),
    ("It is not possible to calculate the distance from the video without a scale.", "refusal"),
    ("There is insufficient information to determine how far the object traveled.", "refusal"),
    ("The video doesn't provide enough information to measure this.", "refusal"),
    ("N/A", "refusal"),
    ("Unable to determine.", "refusal"),
    ("As an AI, I cannot measure distances in videos. If the car were 4.5 m long, you could"
     " use it as a scale.", "refusal"),
    ("Small distance.", "no_number"),
    ("The object travels a few meters.", "no_number"),
    ("A short way.", "no_number"),
    ("8 m/s", "wrong_quantity"),
    ("The object moves at 30 km/h.", "wrong_quantity"),
    ("It moved 250 pixels.", "no_unit"),
    ("The object moves over 20 frames.", "no_unit"),
    ("It could be 10 m or 50 m.", "ambiguous"),
    ("1e999 m", "out_of_range"),
]  # fmt: skip


@pytest.mark.parametrize(("response", "reason"), UNREADABLE)
def test_unreadable(response: str | None, reason: str) -> None:
    reading = read_response("traveled_distance", response)
    assert not reading.readable
    assert reading.value_si is None
    assert reading.reason == reason


@pytest.mark.parametrize(
    ("question", "response", "metres"),
    [
        ("How far did it travel, in feet?", "12.5", 12.5 * FT),
        ("How many feet did the object travel?", "40", 40 * FT),
        ("How far did it travel in kilometers?", "The distance is 0.5.", 500.0),
        ("How far did it travel, in feet?", "12.5 m", 12.5),
        ("How far did it travel?", "12.5", 12.5),
        ("How far did it travel between 1.00 and 3.00 seconds?", "12.5", 12.5),
    ],
)
def test_a_bare_number_takes_the_unit_asked_for(
    question: str, response: str, metres: float
) -> None:
    assert read_response("traveled_distance", response, question).value_si == pytest.approx(metres)
