"""What features are called by people who don't train models, in English and Russian."""

import re
from collections.abc import Mapping

Words = Mapping[str, str]

_NAMES: Mapping[str, tuple[str, str]] = {
    "tenure_days": ("days as a customer", "дней с первого события"),
    "days_since_first_order": ("days since the first order", "дней с первой покупки"),
    "days_since_last_order": ("days since the last order", "дней с последней покупки"),
    "orders": ("orders", "заказы"),
    "spend": ("spend", "сумма покупок"),
    "mean_order_amount": ("usual amount of an order", "средний чек"),
    "order_amount_deviation": ("how much orders differ in amount", "разброс суммы заказа"),
    "last_order_amount": ("amount of the last order", "сумма последнего заказа"),
    "mean_order_lines": ("usual number of lines in an order", "среднее число позиций в заказе"),
    "mean_gap_days": ("usual days between orders", "средний промежуток между покупками, дней"),
    "gap_deviation_days": ("how much the days between orders differ", "разброс промежутков между покупками"),
    "last_gap_days": ("days between the last two orders", "дней между последними двумя покупками"),
    "mean_of_last_three_gaps_days": ("days between the last orders", "дней между последними покупками"),
    "longest_gap_days": ("longest time between orders, in days", "самый долгий промежуток между покупками, дней"),
    "recency_over_mean_gap": (
        "time since the last order against the usual time between orders",
        "время с последней покупки по сравнению с обычным промежутком",
    ),
    "recency_over_longest_gap": (
        "time since the last order against the longest time between orders",
        "время с последней покупки по сравнению с самым долгим промежутком",
    ),
    "share_of_gaps_longer_than_recency": (
        "how often a pause was longer than this one",
        "как часто пауза бывала длиннее нынешней",
    ),
    "discount_share": ("share bought at a discount", "доля покупок со скидкой"),
    "refund_share": ("share returned", "доля возвратов"),
    "weekend_share": ("share of orders at weekends", "доля покупок в выходные"),
    "top_hour_share": ("share of orders in the favourite hour", "доля покупок в любимый час"),
    "trend_of_orders": ("trend of orders", "тренд числа заказов"),
    "trend_of_spend": ("trend of spend", "тренд суммы покупок"),
    "distinct_products": ("different products", "число разных товаров"),
    "repeat_product_share": ("share of products bought again", "доля повторно купленных товаров"),
    "top_product_share": ("share of the favourite product", "доля любимого товара"),
    "products": ("products", "товары"),
    "refunded": ("refunds", "возвраты"),
    "views": ("views", "просмотры"),
    "cart_adds": ("things put into the basket", "добавления в корзину"),
    "messages_sent": ("messages sent", "отправленные сообщения"),
    "messages_opened": ("messages opened", "открытые сообщения"),
    "messages_clicked": ("clicks in messages", "переходы из сообщений"),
    "offers_presented": ("offers shown", "показанные предложения"),
    "offers_accepted": ("offers accepted", "принятые предложения"),
    "offers_declined": ("offers declined", "отклонённые предложения"),
    "activities": ("activities", "активность"),
    "points_balance": ("balance of points", "баланс баллов"),
    "survey_score": ("answer to the survey", "оценка в опросе"),
}
_SINCE = re.compile(r"days_since_(?P<name>\w+)")
_WITHIN = re.compile(r"(?P<name>\w+)_in_(?P<days>\d+)_days")
_LATELY = re.compile(r"(?P<name>\w+)_decayed_(?P<days>\d+)")
_FORMS = (
    (_SINCE, "days since: {name}", "дней с последнего события: {name}"),
    (_WITHIN, "{name} in the last {days} days", "{name} за последние {days} дн."),
    (_LATELY, "{name} of late (within about {days} days)", "{name} в последнее время (около {days} дн.)"),
)


def feature_words(feature: str) -> Words:
    """The name of a feature; of one that nobody named, such as a shop's own column, its own with spaces.

    >>> feature_words("orders_in_30_days")["en"]
    'orders in the last 30 days'
    """
    if feature in _NAMES:
        english, russian = _NAMES[feature]
        return {"en": english, "ru": russian}
    for form, english, russian in _FORMS:
        if match := form.fullmatch(feature):
            parts = match.groupdict()
            named = feature_words(parts.pop("name"))
            return {"en": english.format(name=named["en"], **parts), "ru": russian.format(name=named["ru"], **parts)}
    plain = feature.replace("_", " ")
    return {"en": plain, "ru": plain}
