// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice An account that takes no money.
contract Refuser {
    receive() external payable {
        revert("no thanks");
    }
}

/// @notice An account that, when it is paid, calls the payer back with prepared calls and keeps what came of them.
contract Reenterer {
    struct Attempt {
        address target;
        bytes data;
    }

    Attempt[] private _attempts;
    /// Answers of the calls, in their order; empty until paid.
    bytes[] public answers;
    bool[] public successes;

    function prepare(address target, bytes calldata data) external {
        _attempts.push(Attempt(target, data));
    }

    /// Lets the account act as a buyer or operator.
    function execute(address target, uint256 valueWei, bytes calldata data) external returns (bytes memory) {
        (bool success, bytes memory answer) = target.call{value: valueWei}(data);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(answer, 0x20), mload(answer))
            }
        }
        return answer;
    }

    function attempts() external view returns (uint256) {
        return answers.length;
    }

    receive() external payable {
        // The nested payments of a successful attack must not attack again, or it would run out of gas.
        if (answers.length != 0) return;
        for (uint256 i; i < _attempts.length; ++i) {
            (bool success, bytes memory answer) = _attempts[i].target.call(_attempts[i].data);
            successes.push(success);
            answers.push(answer);
        }
    }
}

/// @notice An account that answers a payment with much data, to make the payer pay for copying it.
contract Talker {
    receive() external payable {
        assembly ("memory-safe") {
            return(0, 500000)
        }
    }
}
