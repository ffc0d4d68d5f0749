// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";

/// @title Money in and out, in ETH or in an ERC-20 token
/// @notice The zero address stands for ETH. A contract that uses this keeps money of many people in one balance, so
/// what comes in is what arrived, not what was said: a token that takes a fee on transfer is refused. Tokens that
/// return nothing are taken, those that return false are not. A token whose balances change by themselves
/// (rebasing) must not be used: the last to be paid would find too little.
/// @dev Both functions call foreign code: write the state first, and guard against re-entrancy.
library Payments {
    using SafeERC20 for IERC20;

    /// @notice Another amount of ETH was sent along than is due; 0 is due when the price is in a token.
    error ValueWrong(uint256 sentWei, uint256 dueWei);
    /// @notice A token delivered another amount than was transferred.
    error TokenShort(address token, uint256 received, uint256 amount);
    /// @notice The account refused a plain transfer of ETH.
    error PaymentFailed(address account, uint256 amountWei);

    /// @notice Takes `amount` from the caller: the ETH that came along, or tokens that it has approved.
    function collect(address token, uint256 amount) internal {
        uint256 dueWei = token == address(0) ? amount : 0;
        if (msg.value != dueWei) revert ValueWrong(msg.value, dueWei);
        if (token == address(0) || amount == 0) return;
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = IERC20(token).balanceOf(address(this)) - before;
        if (received != amount) revert TokenShort(token, received, amount);
    }

    /// @notice Pays `amount` to `account`.
    function pay(address token, address account, uint256 amount) internal {
        if (amount == 0) return;
        if (token != address(0)) return IERC20(token).safeTransfer(account, amount);
        // What the account returns is not read, so it cannot make the caller pay for copying it.
        if (!LowLevelCall.callNoReturn(account, amount, "")) revert PaymentFailed(account, amount);
    }
}
