"""Define the report's texts in English and Chinese."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """The report's texts in one language, with placeholders in braces."""

    language: str
    title: str
    comma: str
    span: str
    read: str
    unreadable: str
    lost: str
    no_lines: str
    none: str
    requests: str
    sentences: str
    success: str
    low_confidence: str
    failed: str
    busiest_minute: str
    drift_events: str
    alert_events: str
    latency: str
    latency_note: str
    calls_per_minute: str
    calls_per_day: str
    errors: str
    refused: str
    refused_note: str
    cpu: str
    memory: str
    gpu_memory: str
    gpu_utilization: str
    alerts: str
    resources: str
    peak: str
    highest: str
    task: str
    all_tasks: str
    lines: str
    mean: str
    mean_inference: str
    day: str
    error_type: str
    count: str
    share: str
    last_seen: str
    example: str
    process: str
    maximum: str
    alert: str
    fired: str
    resolved: str
    status: str
    value: str
    threshold: str
    firing: str
    gateway: str
    server: str
    drift: str
    consistency: str
    consistency_note: str
    consistency_check: str
    checks: str
    model: str
    model_version: str
    last_value: str
    highest_value: str
    events: str
    time: str
    event: str
    detail: str
    active: str
    cpu_fallback: str
    model_load: str
    device: str
    lost_lines: str
    explanations: str
    explanations_note: str
    characters: str
    of_threshold: str
    drift_detail: str
    tasks: Mapping[str, str]
    version_detail: str
    limit_detail: str
    lines_detail: str

    def outcome(self, status: str) -> str:
        """Translate the status of an inference line."""
        return {"success": self.success, "low_confidence": self.low_confidence, "failed": self.failed}[status]

    def task_name(self, task: str) -> str:
        """Translate the task of an inference line."""
        return self.tasks.get(task, task)

    def process_name(self, process: str) -> str:
        """Translate the process of a resource line."""
        return {"gateway": self.gateway, "server": self.server}.get(process, process)

    def state(self, status: str) -> str:
        """Translate the status of an event.

        The event is of an alert, a check, a load or a device.
        """
        names = ("firing", "resolved", "success", "failed", "drift", "active", "cpu_fallback")
        return str(getattr(self, status)) if status in names else status

    def event_name(self, module: str, task: str) -> str:
        """Translate the kind of an event.

        An alert has its own name.
        """
        names = {"loading": self.model_load, "device": self.device, "canary": self.consistency_check}
        return self.lost_lines if task == "lost_lines" else names.get(module, task)


ENGLISH = Words(
    language="en",
    title="Requests, latency, errors and resources",
    comma=", ",
    span="{since} to {until} ({timezone})",
    read="lines read: {lines}, files: {files}",
    unreadable="unreadable: {count}",
    lost="lost before they were written: {count}",
    no_lines="No log line in this range.",
    none="none",
    requests="Requests",
    sentences="Sentences",
    success="Success",
    low_confidence="Low confidence",
    failed="Failed",
    busiest_minute="Busiest minute",
    drift_events="Drift warnings",
    alert_events="Alerts",
    latency="Latency, ms",
    latency_note="Answered sentences, from request to answer. All tasks are without explanations, which the workbench "
    "requests by itself.",
    calls_per_minute="Requests a minute",
    calls_per_day="Requests a day",
    errors="Errors by type",
    refused="Refused requests",
    refused_note="Not counted above: refused before a question was asked.",
    cpu="CPU, percent of one core",
    memory="Memory, MB",
    gpu_memory="GPU memory, MB",
    gpu_utilization="GPU utilization, percent",
    alerts="Alerts",
    resources="Resources",
    peak="{name}: highest {value} at {time}.",
    highest="{name}: {value} in total.",
    task="Task",
    all_tasks="all tasks",
    lines="Lines",
    mean="Mean",
    mean_inference="Mean inference",
    day="Day",
    error_type="Type",
    count="Count",
    share="Share",
    last_seen="Last seen",
    example="Example",
    process="Process",
    maximum="max",
    alert="Alert",
    fired="Fired",
    resolved="Resolved",
    status="Status",
    value="Value",
    threshold="Threshold",
    firing="Firing",
    gateway="gateway",
    server="server",
    drift="Drift",
    consistency="Drift of the answers",
    consistency_note="Share of probability moved since the export in the answers to the golden prompts. Above 100% of "
    "the threshold it is reported.",
    consistency_check="Consistency check",
    checks="Checks",
    model="Model",
    model_version="Version",
    last_value="Latest value",
    highest_value="Highest value",
    events="Latest events",
    time="Time",
    event="Event",
    detail="Detail",
    active="Active",
    cpu_fallback="CPU instead of GPU",
    model_load="Model load",
    device="Device",
    lost_lines="Lost log lines",
    explanations="Explanations",
    explanations_note="Without explanations, which the workbench requests by itself after each answer.",
    characters="Characters proofread",
    of_threshold="{name}, % of threshold",
    drift_detail="{percent} of the threshold",
    tasks={
        "mask_prediction": "Fill in words",
        "token_scoring": "Score words",
        "semantic_similarity": "Compare texts",
        "feature_extraction": "Vectors",
        "explanation": "Explanations",
        "text_classification": "Classify texts",
        "proofreading": "Proofread",
    },
    version_detail="version {version}",
    limit_detail="{value} (threshold {threshold})",
    lines_detail="{count} lines",
)

CHINESE = Words(
    language="zh",
    title="调用、延迟、错误与资源",
    comma="，",
    span="{since} 至 {until}（{timezone}）",
    read="读取 {files} 个文件，{lines} 行",
    unreadable="{count} 行无法解析",
    lost="{count} 行未能写入",
    no_lines="此时间范围内没有日志。",
    none="无",
    requests="请求",
    sentences="句子",
    success="成功",
    low_confidence="低置信度",
    failed="失败",
    busiest_minute="最忙的一分钟",
    drift_events="漂移告警",
    alert_events="告警",
    latency="延迟（毫秒）",
    latency_note="已应答的句子，从收到请求到给出答案。“全部任务”不含解释：工作台会自动请求解释。",
    calls_per_minute="每分钟请求数",
    calls_per_day="每日请求数",
    errors="错误类型",
    refused="被拒绝的请求",
    refused_note="不计入以上数字：请求在提问之前即被拒绝。",
    cpu="CPU（单核百分比）",
    memory="内存（MB）",
    gpu_memory="显存（MB）",
    gpu_utilization="GPU 利用率（%）",
    alerts="告警",
    resources="资源",
    peak="{name}：最高 {value}，在 {time}。",
    highest="{name}：共 {value}。",
    task="任务",
    all_tasks="全部任务",
    lines="行数",
    mean="平均",
    mean_inference="平均推理",
    day="日期",
    error_type="类型",
    count="次数",
    share="占比",
    last_seen="最近一次",
    example="示例",
    process="进程",
    maximum="最大",
    alert="告警",
    fired="触发",
    resolved="已恢复",
    status="状态",
    value="数值",
    threshold="阈值",
    firing="触发中",
    gateway="网关",
    server="模型服务",
    drift="漂移",
    consistency="输出漂移",
    consistency_note="标准题的答案相对导出时基线移动的概率份额，超过阈值的 100% 即告警。",
    consistency_check="一致性检查",
    checks="检查次数",
    model="模型",
    model_version="版本",
    last_value="最近数值",
    highest_value="最高数值",
    events="最近事件",
    time="时间",
    event="事件",
    detail="详情",
    active="正常",
    cpu_fallback="GPU 不可用，改用 CPU",
    model_load="模型加载",
    device="计算设备",
    lost_lines="日志丢失",
    explanations="解释",
    explanations_note="不含解释：工作台在每个答案之后自动请求解释。",
    characters="校对字数",
    of_threshold="{name}（占阈值 %）",
    drift_detail="阈值的 {percent}",
    tasks={
        "mask_prediction": "填词",
        "token_scoring": "词语打分",
        "semantic_similarity": "文本相似度",
        "feature_extraction": "特征向量",
        "explanation": "解释",
        "text_classification": "文本分类",
        "proofreading": "校对",
    },
    version_detail="版本 {version}",
    limit_detail="{value}（阈值 {threshold}）",
    lines_detail="{count} 行",
)

WORDS = {words.language: words for words in (ENGLISH, CHINESE)}
