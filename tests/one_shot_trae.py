"""A program in the place of `trae-cli`: it keeps a trajectory, and fails when it is told to."""

import json
import sys
from datetime import datetime
from pathlib import Path

given = dict(zip(sys.argv[2::2], sys.argv[3::2], strict=True))
task = Path(given["--file"]).read_text()
now = datetime.now().isoformat()  # noqa: DTZ005  # as it writes it
said = f"heard {len(task.splitlines())} lines"
usage = {"input_tokens": 10, "output_tokens": 1}
found = {
    "task": task, "start_time": now, "end_time": now, "success": "do: fail" not in task,
    "final_result": said if "do: fail" not in task else "too many steps",
    "llm_interactions": [{"timestamp": now, "response": {"content": said, "usage": usage}}],
    "agent_steps": [{"step_number": 1, "timestamp": now, "llm_response": {"content": said}}],
}  # fmt: skip
Path(given["--trajectory-file"]).write_text(json.dumps(found))
sys.stdout.write(f"{said}\n")
