"""What vLLM says of adapter_config.json objects: a JSON list on stdin, a JSON list of texts out.

An empty text stands for an adapter that it would load at the largest `--max-lora-rank`.
"""

import json
import sys

from vllm.config.lora import LoRAConfig
from vllm.lora.peft_helper import PEFTHelper


def _refusal(config: dict) -> str:
    try:
        PEFTHelper.from_dict(config).validate_legal(LoRAConfig(max_lora_rank=512))
    except (TypeError, ValueError) as error:
        return str(error) or type(error).__name__
    return ""


if __name__ == "__main__":
    answers = [_refusal(config) for config in json.load(sys.stdin)]
    sys.__stdout__.write("\n" + json.dumps(answers) + "\n")
