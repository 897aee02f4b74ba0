from __future__ import annotations

import pytest

from stkit_bench.reading import read_response

KMH, MPH, FTS = 1 / 3.6, 1.60934 / 3.6, 0.3048

UNITS = [
    ("8 m/s", 8.0),
    ("8m/s", 8.0),
    ("8 M/S", 8.0),
    ("8 m / s", 8.0),
    ("8 mps", 8.0),
    ("8 m/sec", 8.0),
    ("8 meters per second", 8.0),
    ("8 metres/second", 8.0),
    ("8 meters/sec", 8.0),
    ("8 meters a second", 8.0),
    ("8 m·s⁻¹", 8.0),
    ("8 m s^-1", 8.0),
    ("8 m s⁻¹", 8.0),
    ("$8\\,\\text{m/s}$", 8.0),
    ("\\boxed{8\\ \\text{m/s}}", 8.0),
    ("$8 \\, \\mathrm{m \\cdot s^{-1}}$", 8.0),
    ("36 km/h", 10.0),
    ("36km/hr", 10.0),
    ("36 kmh", 10.0),
    ("36 kph", 10.0),
    ("36 kmph", 10.0),
    ("36 KM/H", 10.0),
    ("36 kilometers per hour", 10.0),
    ("36 kilometres an hour", 10.0),
    ("36 kilometers/hour", 10.0),
    ("36 公里/小时", 10.0),
    ("5 米/秒", 5.0),
    ("30 mph", 30 * MPH),
    ("30 MPH", 30 * MPH),
    ("30 mi/h", 30 * MPH),
    ("30 miles per hour", 30 * MPH),
    ("30 miles/hour", 30 * MPH),
    ("30 miles an hour", 30 * MPH),
    ("20 ft/s", 20 * FTS),
    ("20 fps", 20 * FTS),
    ("20 feet per second", 20 * FTS),
    ("20 ft/sec", 20 * FTS),
    ("10 knots", 5.144),
    ("120 cm/s", 1.2),
    ("600 m/min", 10.0),
    ("10-15 mph", 12.5 * MPH),
    ("between 10 and 15 mph", 12.5 * MPH),
    ("5 to 10 m/s", 7.5),
    ("twenty miles per hour", 20 * MPH),
    ("one and a half meters per second", 1.5),
    ("5,5 m/s", 5.5),
    ("1.5 ± 0.2 m/s", 1.5),
]


@pytest.mark.parametrize(("said", "mps"), UNITS)
@pytest.mark.parametrize(
    "frame",
    ["{}", "The average speed is approximately {}", "**{}**", "It is moving at {} in the video"],
)
def test_units(said: str, mps: float, frame: str) -> None:
    reading = read_response("traveling_speed", frame.format(said))
    assert reading.value_si == pytest.approx(mps, rel=1e-3), reading


SENTENCES = [
    ("Its mean speed between 1.00 and 1.50 seconds is **28.94 mph**.", 28.94 * MPH),
    ("From 1.00 to 1.50 seconds, it moves at an average speed of 14.00 m/s.", 14.0),
    ("12 m/s (43.2 km/h)", 12.0),
    ("43.2 km/h (12 m/s)", 12.0),
    ("It covers 40 m in 5 s, giving 8 m/s.", 8.0),
    ("Average speed = distance / time = 40 m / 5 s = 8 m/s", 8.0),
    ("Average speed = 40 / 5 = 8", 8.0),
    ("40m/5s = 8 m/s (28.8 km/h)", 8.0),
    ("$$v = \\frac{40\\text{ m}}{5\\text{ s}} = 8 \\text{ m/s}$$", 8.0),
    ("8 m/s × 5 s = 40 m", 8.0),
    ("The car accelerates from 5 m/s to 10 m/s, so its average speed is 7.5 m/s.", 7.5),
    ("The speed limit is 50 km/h, but the car moves at about 30 km/h.", 30 * KMH),
    ("Its maximum speed is 60 km/h and its average speed is 36 km/h.", 10.0),
    ("Its average speed is 36 km/h, with a maximum speed of 60 km/h.", 10.0),
    ("The ego vehicle moves at 40 km/h. The object's average speed is 36 km/h.", 10.0),
    ("Video at 30 fps. The object moves at 5 m/s.", 5.0),
    ("A typical walking speed is 1.4 m/s. The person seems to move at 1.2 m/s.", 1.2),
    ("Therefore, the average speed is approximately 5.6 m/s, which is about 20 km/h.", 5.6),
    ("The object is stationary.", 0.0),
    ("12.5", 12.5),
    ("speed (km/h): 36", 10.0),
    ('{"speed_kmh": 36}', 10.0),
    ('{"speed": 36, "unit": "km/h"}', 10.0),
    ('{"average_speed": "10 m/s"}', 10.0),
    ('{"speed_m_per_s": 10}', 10.0),
    ("<think>maybe 20 m/s?</think>\n**10 m/s**", 10.0),
    ("Without exact data it's hard to say, but I'd guess around 25 mph.", 25 * MPH),
    ("The object seems to be moving at a walking pace, about 5 km/h.", 5 * KMH),
    ("Let's calculate.\n\nDistance: 30 m\nTime: 6 s\n\nSpeed = 5 m/s\n\n**Final Answer: 18"
     " km/h**", 5.0),
]  # fmt: skip


@pytest.mark.parametrize(("response", "mps"), SENTENCES)
def test_sentences(response: str, mps: float) -> None:
    reading = read_response("traveling_speed", response)
    assert reading.value_si == pytest.approx(mps, rel=1e-3), reading


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("slow.", "no_number"),
        ("**Fast**", "no_number"),
        ("It moved 40 m.", "wrong_quantity"),
        ("I cannot determine the speed of the object from the video.", "refusal"),
        ("The speed is not provided.", "refusal"),
        ("The acceleration is 2 m/s².", "no_unit"),
        ("It moves 30 pixels per second.", "no_unit"),
    ],
)
def test_unreadable(response: str, reason: str) -> None:
    assert read_response("traveling_speed", response).reason == reason


@pytest.mark.parametrize(
    ("question", "mps"),
    [("What is its average speed in km/h?", 10.0), ("Average speed in mph?", 36 * MPH),
     ("What is its average speed?", 36.0)],
)  # fmt: skip
def test_a_bare_number_takes_the_unit_asked_for(question: str, mps: float) -> None:
    assert read_response("traveling_speed", "36", question).value_si == pytest.approx(mps)
