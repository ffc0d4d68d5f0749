// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IOfferRegistry} from "../../contracts/interfaces/IOfferRegistry.sol";
import {ITerms} from "../../contracts/interfaces/ITerms.sol";

/// @notice A seller's contract that answers as it is told to.
contract AnsweringTerms is ITerms {
    enum Manner {
        Agrees,
        Refuses,
        Reverts,
        SpendsAll,
        ReturnsNothing,
        ReturnsTwo,
        ReturnsLong,
        ReturnsShort,
        ReturnsMuch,
        Writes,
        Calls
    }

    Manner public manner;
    address private _target;
    bytes private _data;
    uint256 private _count;

    function behave(Manner manner_) external {
        manner = manner_;
    }

    function prepare(address target, bytes calldata data) external {
        (_target, _data) = (target, data);
    }

    function check(IOfferRegistry.JobFacts calldata, address, bytes32) external view override returns (bool) {
        if (manner == Manner.Refuses) return false;
        if (manner == Manner.Reverts) revert("no");
        if (manner == Manner.SpendsAll) while (true) {}
        if (manner == Manner.Writes || manner == Manner.Calls) {
            function() view act = _asView(manner == Manner.Writes ? _write : _call);
            act();
        }
        if (manner == Manner.ReturnsNothing) _answer(1, 0);
        if (manner == Manner.ReturnsTwo) _answer(2, 32);
        if (manner == Manner.ReturnsLong) _answer(1, 64);
        if (manner == Manner.ReturnsShort) _answer(type(uint256).max, 31);
        if (manner == Manner.ReturnsMuch) _answer(1, 20_000);
        return true;
    }

    /// Where it would get through, the answer is a yes.
    function _write() private {
        ++_count;
    }

    function _call() private {
        (bool success,) = _target.call(_data);
        require(success, "the call failed");
    }

    function _answer(uint256 word, uint256 length) private pure {
        assembly ("memory-safe") {
            mstore(0, word)
            return(0, length)
        }
    }

    function _asView(function() act) private pure returns (function() view viewed) {
        assembly ("memory-safe") {
            viewed := act
        }
    }
}

/// @notice Agrees to exactly one question.
contract ExactTerms is ITerms {
    bytes32 private immutable _question;

    constructor(bytes32 question) {
        _question = question;
    }

    function check(IOfferRegistry.JobFacts calldata facts, address seller, bytes32 dataRoot)
        external
        view
        override
        returns (bool)
    {
        return keccak256(abi.encode(facts, seller, dataRoot)) == _question;
    }
}

/// @notice Spends nearly all the gas that it has a right to, and agrees.
contract ThoroughTerms is ITerms {
    uint256 private immutable _gas;

    constructor(uint256 gas_) {
        _gas = gas_;
    }

    function check(IOfferRegistry.JobFacts calldata, address, bytes32) external view override returns (bool) {
        uint256 before = gasleft();
        while (before - gasleft() < _gas) {}
        return true;
    }
}

/// @notice Asks a list whether a buyer is barred, and takes a list that fails for one that is empty.
contract TrustingTerms is ITerms {
    BarringList private immutable _list = new BarringList();

    function check(IOfferRegistry.JobFacts calldata facts, address, bytes32) external view override returns (bool) {
        try _list.barred(facts.buyer) returns (bool barred) {
            return !barred;
        } catch {
            return true;
        }
    }
}

/// @notice Gives up at once where it has too little gas for its work, and so leaves its caller the rest.
contract BarringList {
    error TooLittleGas();

    function barred(address) external view returns (bool) {
        if (gasleft() < 80_000) revert TooLittleGas();
        return true;
    }
}
