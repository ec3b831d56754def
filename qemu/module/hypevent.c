// SPDX-License-Identifier: GPL-2.0
/*
 * Let the hypervisor write an event while timekeeping is suspended
 *
 * CPU PM notifiers are called by a syscore operation which runs after
 * timekeeping_suspend() and before timekeeping_resume(). pKVM stays in place
 * then. The event's ID is 2.
 */
#include <linux/arm-smccc.h>
#include <linux/cpu_pm.h>
#include <linux/module.h>

#include <asm/kvm_asm.h>

static int hypevent_notify(struct notifier_block *nb, unsigned long action, void *data)
{
	struct arm_smccc_res res;

	arm_smccc_1_1_hvc(KVM_HOST_SMCCC_FUNC(__tracing_write_event), 2UL, &res);

	return NOTIFY_OK;
}

static struct notifier_block hypevent_nb = {
	.notifier_call	= hypevent_notify,
};

static int __init hypevent_init(void)
{
	return cpu_pm_register_notifier(&hypevent_nb);
}
module_init(hypevent_init);

MODULE_DESCRIPTION("Hypervisor events in a suspend");
MODULE_LICENSE("GPL");
