import type { CouponPartsFragment } from '../../generated/coupons/graphql';
import { Money } from '../../parts/values';
import { couponsTexts as texts } from '../../texts/coupons';

/** What a coupon takes off. */
export function Off({ coupon: { percentOff, amountOffCents, currency } }: { coupon: CouponPartsFragment }) {
  if (percentOff) return <span className="money">{texts.percent(percentOff)}</span>;
  return amountOffCents && currency ? <Money cents={amountOffCents} currency={currency} /> : null;
}

export function durationOf({ duration, periods }: CouponPartsFragment): string {
  return texts.durations[duration](periods ?? 0);
}

export function plansOf({ appliesToAllPlans, plans }: CouponPartsFragment): string {
  return appliesToAllPlans ? texts.allPlans : plans.map(({ name }) => name).join(', ');
}
