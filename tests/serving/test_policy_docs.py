"""The example in the documentation is a policy file that can be applied."""

import re
from pathlib import Path

import yaml

from experiments.policy_numbers import NUMBERS
from serving.policy import Policy
from serving.policy_file import NAMES, parse_policy, with_file
from serving.refusal import Refusal

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "policies.md").read_text(encoding="utf-8")


def example() -> str:
    (found,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def test_the_example_is_a_policy_and_names_all_that_a_file_may_say_but_some_numbers() -> None:
    document = yaml.safe_load(example())
    policy = with_file(Policy(), parse_policy(document))

    assert (policy.version, policy.exploration, policy.weights) == ("autumn", "thompson", Policy().weights)
    unsaid = {name for name in NAMES if not re.search(rf"^(# )?{name}:", example(), re.MULTILINE)}
    assert unsaid <= {*NUMBERS, "salt", "personal_purposes"}


def test_the_apprentice_of_the_example_can_be_switched_on() -> None:
    document = yaml.safe_load(example().replace("# apprentice:", "apprentice:"))

    rule = parse_policy(document).rules["apprentice"]

    assert (rule.rule, [step.offer for step in rule.steps]) == ("present", ["coffee-15", "welcome"])


def test_every_refusal_by_policy_is_explained() -> None:
    by_policy = [refusal.word for refusal in Refusal if refusal > Refusal.CONTACT_BLOCKED]

    assert [word for word in by_policy if f"`{word}`" not in PAGE] == []
