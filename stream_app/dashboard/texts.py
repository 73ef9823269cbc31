"""The page's texts, in English and Chinese."""

from typing import Literal

Language = Literal["en", "zh"]

TEXTS: dict[str, tuple[str, str]] = {
    "title": ("Feedback, live", "实时反馈"),
    "skip": ("Skip to the figures", "跳到数据"),
    "other_language": ("中文", "English"),
    "theme": ("Theme", "主题"),
    "theme_auto": ("As the system", "跟随系统"),
    "theme_light": ("Light", "浅色"),
    "theme_dark": ("Dark", "深色"),
    "since": ("since {time}", "自 {time}"),
    "live": ("Live", "实时"),
    "reading": ("Reading the past, {n} messages to go", "正在读取历史，还有 {n} 条"),
    "silent": ("The broker does not answer", "消息代理没有响应"),
    # figures
    "figures": ("At a glance", "概览"),
    "reviews": ("Reviews understood", "已理解的评论"),
    "latency": ("Arrival to analysis", "到达至分析"),
    "latency_note": ("95%: {high} · to new list {list}", "95%：{high} · 至新推荐 {list}"),
    "latency_none": ("nothing in the last 5 minutes", "最近 5 分钟没有消息"),
    "sentiment": ("Sentiment", "情感"),
    "alerts_open": ("Open alerts", "未确认警报"),
    "alerts_note": ("{total} in all · {surges} surges open", "共 {total} 条 · 激增中 {surges}"),
    "lists": ("Users with a list", "有推荐的用户"),
    "dead": ("Dead letters", "死信"),
    "per_second": ("{rate}/s now", "当前 {rate}/秒"),
    "per_second_lists": ("{rate} refreshed/s now", "当前每秒刷新 {rate}"),
    "masked": ("{n} pieces of personal data masked", "已脱敏 {n} 处个人信息"),
    "not_allowed": ("no right to read", "无权读取"),
    "sentiment_negative": ("negative", "负面"),
    "sentiment_neutral": ("neutral", "中性"),
    "sentiment_positive": ("positive", "正面"),
    # sentiment over time
    "over_time": ("Sentiment over time", "情感走势"),
    "over_time_note": ("by when it was written, UTC", "按评论时间（UTC）"),
    "subject": ("Topic or item", "主题或商品"),
    "span": ("Period", "时段"),
    "day": ("24 hours", "24 小时"),
    "week": ("7 days", "7 天"),
    "all": ("All reviews", "全部评论"),
    "unmatched": ("Fits no topic", "不属于任何主题"),
    "user_subject": ("User {name}", "用户 {name}"),
    "chart_sentiment": (
        "Reviews of {subject}: {negative} negative, {neutral} neutral, {positive} positive.",
        "{subject}的评论：负面 {negative}，中性 {neutral}，正面 {positive}。",
    ),
    "rates": ("Throughput", "吞吐量"),
    "rates_note": ("messages a second, UTC", "每秒消息数（UTC）"),
    "rate_analyses": ("Reviews", "评论"),
    "rate_recommendations": ("Lists", "推荐"),
    "chart_rates": (
        "Messages a second over the last five minutes.",
        "最近五分钟的每秒消息数。",
    ),
    # alerts
    "alerts": ("Alerts", "警报"),
    "alerts_empty": ("Nothing needs a person now.", "目前没有需要处理的警报。"),
    "kind_severe": ("Severe review", "严重差评"),
    "kind_surge_begun": ("Surge of complaints", "差评激增"),
    "kind_surge_over": ("Surge over", "激增结束"),
    "acknowledge": ("Acknowledge", "确认"),
    "acknowledge_what": ("Acknowledge: {what}", "确认：{what}"),
    "reopen": ("Reopen", "重新打开"),
    "reopen_what": ("Reopen: {what}", "重新打开：{what}"),
    "show_seen": ("Show acknowledged", "显示已确认"),
    "surge_evidence": (
        "{negatives} of {reviews} reviews negative, {rate} where {baseline} is usual",
        "{reviews} 条评论中 {negatives} 条负面，占 {rate}，平时 {baseline}",
    ),
    "surge_normal": ("The share is normal again.", "负面占比已恢复正常。"),
    "surge_withdrawn": ("Withdrawn: late reviews changed it.", "已撤回：迟到的评论改变了结果。"),
    "safety": ("Safety words: {words}", "安全词：{words}"),
    "very_negative": ("Strongly negative, {intensity}", "强烈负面，{intensity}"),
    "chance": ("by chance: {p}", "偶然概率：{p}"),
    # moving
    "moving": ("Top moving", "变化最大"),
    "moving_note": ("negative share, last day against before", "负面占比，最近一天与此前相比"),
    "moving_empty": ("Nothing has clearly changed.", "没有明显变化。"),
    "col_subject": ("Topic or item", "主题或商品"),
    "col_reviews": ("Reviews", "评论"),
    "col_before": ("Before", "此前"),
    "col_now": ("Now", "现在"),
    "col_popularity": ("Popularity", "热度"),
    "worse": ("worse", "变差"),
    "better": ("better", "变好"),
    "surge": ("surge", "激增"),
    # emerging
    "emerging": ("Emerging topics", "新兴主题"),
    "emerging_note": ("what the profile does not name", "配置之外的话题"),
    "emerging_empty": ("None found so far.", "尚未发现。"),
    "reviews_of": ("{n} reviews", "{n} 条评论"),
    # user
    "user": ("One user", "单个用户"),
    "user_pick": ("User", "用户"),
    "user_empty": ("Nothing is known of this user yet.", "还没有该用户的信息。"),
    "interest": ("What they wrote about", "写过的主题"),
    "interest_chart": (
        "Praise and complaint by topic.",
        "各主题的赞扬与抱怨。",
    ),
    "praise": ("praise", "赞扬"),
    "complaint": ("complaint", "抱怨"),
    "recommended": ("Recommended now", "当前推荐"),
    "changed": (
        "Arrows: what the last review changed ({intensity}, {item})",
        "箭头：最近一条评论带来的变化（{intensity}，{item}）",
    ),
    "no_item": ("of no item", "未指明商品"),
    "changed_nothing": ("No review has changed this list yet.", "还没有评论改变过此列表。"),
    "up": ("up {n}", "上升 {n}"),
    "down": ("down {n}", "下降 {n}"),
    "new": ("new", "新进"),
    "same": ("unchanged", "不变"),
    "gone": ("Left the list: {items}", "离开列表：{items}"),
    "withheld": ("Kept out: {rules}", "被排除：{rules}"),
    "rule_seen": ("known to the user", "用户已了解"),
    "rule_disliked": ("disliked", "不喜欢"),
    "rule_blocked": ("blocked", "已屏蔽"),
    "rule_unsafe": ("unsafe", "不安全"),
    "rule_unavailable": ("sold out", "缺货"),
    "rule_per_category": ("enough of the category", "该类别已够多"),
    "rule_per_seller": ("enough of the seller", "该卖家已够多"),
    "last_reviews": ("Last reviews", "最近评论"),
    # review
    "write": ("Write a review and watch it travel", "写一条评论，看它流转"),
    "write_text": ("Your review, Chinese or English", "您的评论，中文或英文"),
    "write_item": ("About the item", "关于商品"),
    "write_user": ("As the user", "以用户身份"),
    "send": ("Send", "发送"),
    "write_empty": ("Write something first.", "请先写点内容。"),
    "write_failed": ("Not sent: {error}", "未发送：{error}"),
    "write_denied": (
        "Reviews cannot be written here: this login may not. An operator gives the right with "
        "`stream-app acls producer`.",
        "此登录无权写入评论；管理员可用 `stream-app acls producer` 授权。",
    ),
    "step_sent": ("Stored on the broker", "已存入消息代理"),
    "step_analysed": ("Understood", "已理解"),
    "step_listed": ("Recommendations refreshed", "推荐已刷新"),
    "step_trended": ("Trend of {subject}", "{subject}的趋势"),
    "step_trend": ("Trend", "趋势"),
    "step_alerted": ("Alert raised", "已触发警报"),
    "step_dead": ("Dead letter: {reason}", "死信：{reason}"),
    "waiting": ("waiting", "等待中"),
    # dead letters
    "dead_letters": ("Dead letters by reason", "按原因统计的死信"),
    "dead_letters_note": ("reasons only, never what was written", "只显示原因，不含原文"),
    "dead_letters_empty": ("None.", "没有。"),
    "dead_letters_denied": (
        "This login may not read the dead letters. An operator gives the right with "
        "`stream-app acls auditor`.",
        "此登录无权读取死信；管理员可用 `stream-app acls auditor` 授权。",
    ),
    "col_count": ("Count", "数量"),
    "col_reason": ("Reason", "原因"),
    "col_step": ("Step", "步骤"),
    "unreadable": (
        "{n} messages of the output topics could not be read.",
        "输出主题中有 {n} 条消息无法读取。",
    ),
}

SIGNS = {"negative": "▼", "neutral": "●", "positive": "▲"}


class Words:
    """The texts of one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._column = 1 if language == "zh" else 0

    def __call__(self, key: str, **values: object) -> str:
        return TEXTS[key][self._column].format(**values)

    def sentiment(self, name: str) -> str:
        """A sentiment, by the name that records have for it."""
        return self._named("sentiment", name)

    def kind(self, name: str) -> str:
        """A kind of alert."""
        return self._named("kind", name)

    def rule(self, name: str) -> str:
        """A rule of policy."""
        return self._named("rule", name)

    def _named(self, what: str, name: str) -> str:
        """What a newer version names, and this page does not know, stands for itself."""
        key = f"{what}_{name}"
        return self(key) if key in TEXTS else name

    def pick(self, en: str, zh: str) -> str:
        """The one in this language."""
        return (en, zh)[self._column]


def sign(sentiment: str) -> str:
    """Tells sentiments apart where colours do not."""
    return SIGNS.get(sentiment, "○")


def seconds(taken: float) -> str:
    """A duration: `85 ms`, `1.3 s`, `4 min`."""
    if taken < 1:
        return f"{taken * 1000:.0f} ms"
    return f"{taken:.1f} s" if taken < 100 else f"{taken / 60:.0f} min"


def rate(value: float) -> str:
    """Messages a second."""
    return f"{value:,.0f}" if value >= 10 or not value else f"{value:.1f}"


def signed(value: float) -> str:
    """An intensity, with a true minus."""
    return f"{value:+.2f}".replace("-", "−")
