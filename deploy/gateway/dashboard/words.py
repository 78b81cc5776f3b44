"""Define the dashboard's texts in English and Chinese."""

from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "zh"]


@dataclass(frozen=True, slots=True)
class PageWords:
    """The page's texts in one language, with placeholders in braces."""

    lang: str
    skip: str
    site: str
    navigation: str
    workbench: str
    dashboard: str
    language: str
    theme: str
    theme_auto: str
    theme_light: str
    theme_dark: str
    ranges: str
    fitted: str
    last_hour: str
    last_day: str
    last_week: str
    last_month: str
    own_range: str
    since: str
    until: str
    zone: str
    show: str
    refresh: str
    updated: str
    not_updated: str
    other_language: str
    wrong_range: str
    wrong_range_help: str
    no_log: str
    no_log_help: str
    unready: str
    unready_help: str
    unreadable: str
    unreadable_help: str
    latency_p95: str
    change: str
    points: str
    unchanged: str
    nothing_before: str
    table: str
    chart_help: str
    lines: str
    lines_at: str
    lines_found: str
    lines_some: str
    latest_first: str
    slowest_first: str
    no_lines_found: str
    back: str
    time: str
    task: str
    status: str
    text: str
    answer: str
    score: str
    total_ms: str
    line: str


ENGLISH = PageWords(
    lang="en",
    skip="Skip to the report",
    site="Fill-mask",
    navigation="Site",
    workbench="Workbench",
    dashboard="Dashboard",
    language="Language",
    theme="Theme",
    theme_auto="Auto",
    theme_light="Light",
    theme_dark="Dark",
    ranges="Time range",
    fitted="Fit to data",
    last_hour="Last hour",
    last_day="24 hours",
    last_week="7 days",
    last_month="30 days",
    own_range="Another time range",
    since="From",
    until="To",
    zone="Time zone",
    show="Show",
    refresh="Refresh every {seconds} s",
    updated="Updated at {time}",
    not_updated="Not updated since {time}: the gateway does not answer",
    other_language="中文",
    wrong_range="This range cannot be shown",
    wrong_range_help="Choose one above, or write both times so that the first lies before the second.",
    no_log="There is no request log yet",
    no_log_help="Send the model a request; the report appears here within seconds.",
    unready="The report is not ready",
    unready_help="It took too long, or too many others are asked for. Try again soon, or choose a shorter range.",
    unreadable="The request log cannot be read",
    unreadable_help="The gateway's operator can fix this:",
    latency_p95="Latency, P95",
    change="{change} against the period before",
    points="{points} points",
    unchanged="as in the period before",
    nothing_before="no figure for the period before",
    table="Table",
    chart_help="In a chart, drag to zoom and click a point or a bar for its log lines; or use arrow keys and Enter.",
    lines="Log lines",
    lines_at="Log lines at {time}",
    lines_found="{count} lines",
    lines_some="{shown} of {count} lines",
    latest_first="latest first",
    slowest_first="slowest first",
    no_lines_found="The log has no such line in this range.",
    back="Back to the dashboard",
    time="Time",
    task="Task",
    status="Status",
    text="Text",
    answer="Answer",
    score="Score",
    total_ms="ms",
    line="Line",
)

CHINESE = PageWords(
    lang="zh-CN",
    skip="跳到报表",
    site="填词",
    navigation="站点",
    workbench="工作台",
    dashboard="仪表盘",
    language="语言",
    theme="主题",
    theme_auto="自动",
    theme_light="浅色",
    theme_dark="深色",
    ranges="时间范围",
    fitted="适合数据",
    last_hour="最近一小时",
    last_day="24 小时",
    last_week="7 天",
    last_month="30 天",
    own_range="其他时间范围",
    since="从",
    until="到",
    zone="时区",
    show="查看",
    refresh="每 {seconds} 秒刷新",
    updated="更新于 {time}",
    not_updated="{time} 之后未能更新：网关没有应答",
    other_language="English",
    wrong_range="无法显示这个时间范围",
    wrong_range_help="请在上方选择，或填写起止时间，起点须早于终点，最长 400 天。",
    no_log="还没有请求日志",
    no_log_help="向模型提一个问题，几秒钟后这里就会显示。",
    unready="报表尚未就绪",
    unready_help="计算时间过长，或同时查看的人太多。请稍后再试，或选择更短的时间范围。",
    unreadable="无法读取请求日志",
    unreadable_help="请网关的管理员处理：",
    latency_p95="延迟 P95",
    change="较上一时段 {change}",
    points="{points} 个百分点",
    unchanged="与上一时段相同",
    nothing_before="上一时段无数据",
    table="表格",
    chart_help="在图表上拖动可放大，点击点或柱可查看对应的日志行；也可用方向键和回车。",
    lines="日志行",
    lines_at="{time} 的日志行",
    lines_found="{count} 行",
    lines_some="共 {count} 行，显示 {shown} 行",
    latest_first="最新在前",
    slowest_first="最慢在前",
    no_lines_found="此时间范围内没有这样的日志行。",
    back="返回仪表盘",
    time="时间",
    task="任务",
    status="状态",
    text="文本",
    answer="答案",
    score="得分",
    total_ms="毫秒",
    line="原始行",
)

PAGE_WORDS: dict[Language, PageWords] = {"en": ENGLISH, "zh": CHINESE}
